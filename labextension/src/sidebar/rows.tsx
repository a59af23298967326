/** Several inputs below each other, as many as somebody wants. */

import { addIcon, Button, closeIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { Input } from '../models/form';
import type { IInputProps } from './fields';

interface IRowsProps<T> {
  readonly about: IInputProps;
  readonly items: readonly T[];
  readonly empty: T;
  /** What one of them is called: `mount`. */
  readonly word: string;
  readonly draw: (
    item: T,
    name: (what: string) => string,
    change: (item: T) => void
  ) => React.ReactNode;
}

/** Items below each other, each with a button that takes it away, and one that adds another. */
export function Rows<T>(props: IRowsProps<T>): React.JSX.Element {
  const { about, draw, empty, items, word } = props;
  const group = React.useRef<HTMLDivElement>(null);
  const change = (next: readonly T[]) => about.onChange(next as Input);
  const focus = (selector: string) =>
    // After React has drawn the change.
    setTimeout(() => {
      const found = group.current?.querySelectorAll<HTMLElement>(selector);
      found?.[found.length - 1]?.focus();
    });
  return (
    <div
      ref={group}
      className="jp-Containers-items"
      role="group"
      aria-labelledby={`${about.id}-label`}
      aria-describedby={about.describedBy}
    >
      {items.map((item, index) => {
        const name = (what: string) => `${what} ${String(index + 1)}`;
        return (
          <div key={index} className={`jp-Containers-item jp-mod-${word}`}>
            {draw(item, name, next =>
              change(items.map((one, at) => (at === index ? next : one)))
            )}
            <Button
              type="button"
              className="jp-Containers-button jp-mod-icon"
              minimal
              small
              title={`Remove ${word}`}
              aria-label={name(`Remove ${word}`)}
              onClick={() => {
                change(items.filter((_, at) => at !== index));
                focus('.jp-Containers-add');
              }}
            >
              <closeIcon.react tag="span" width="16px" height="16px" />
            </Button>
          </div>
        );
      })}
      <Button
        type="button"
        className="jp-Containers-button jp-mod-plain jp-Containers-add"
        minimal
        small
        disabled={about.disabled}
        onClick={() => {
          change([...items, empty]);
          focus('.jp-Containers-item > :first-child input');
        }}
      >
        <addIcon.react tag="span" width="16px" height="16px" />
        <span>{`Add ${word}`}</span>
      </Button>
    </div>
  );
}
