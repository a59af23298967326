/** The components that all sections use. */

import {
  Button,
  caretDownIcon,
  caretRightIcon,
  classes,
  closeIcon,
  LabIcon
} from '@jupyterlab/ui-components';
import type { VDomModel } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import React from 'react';

import type { IProblem } from '../api/types';
import { CommandIDs } from '../commandids';
import { trans } from '../trans';
import { stripControls } from '../ui/format';

/** Render again after each change of these models. */
export function useModels(...models: (VDomModel | null | undefined)[]): void {
  const [, render] = React.useReducer((count: number) => count + 1, 0);
  React.useEffect(() => {
    const existing = models.filter(model => !!model);
    existing.forEach(model => model.stateChanged.connect(render));
    return () => {
      existing.forEach(model => model.stateChanged.disconnect(render));
    };
  }, models);
}

/** Render again every second while `ticking`. */
export function useTicker(ticking: boolean): void {
  const [, render] = React.useReducer((count: number) => count + 1, 0);
  React.useEffect(() => {
    if (!ticking) {
      return undefined;
    }
    const timer = setInterval(render, 1000);
    return () => clearInterval(timer);
  }, [ticking]);
}

interface ICommandButtonProps {
  readonly commands: CommandRegistry;
  readonly id: string;
  readonly args?: ReadonlyJSONObject;
  /** How the button looks: the primary one, one of several, or an icon. */
  readonly look?: 'primary' | 'plain' | 'icon';
  /** Replaces the command's label. */
  readonly label?: string;
  readonly describedBy?: string;
  /** Runs instead of the command, with data that must not come from a command's arguments. */
  readonly run?: (() => unknown) | undefined;
}

/** A command as a button; nothing if the command does not exist. */
export function CommandButton(
  props: ICommandButtonProps
): React.JSX.Element | null {
  const { commands, id, args = {}, look = 'plain' } = props;
  const { run = () => commands.execute(id, args) } = props;
  if (!commands.hasCommand(id) || !commands.isVisible(id, args)) {
    return null;
  }
  const label = props.label ?? commands.label(id, args);
  const icon = commands.icon(id, args);
  const caption = commands.caption(id, args) || label;
  const onlyIcon = look === 'icon';
  return (
    <Button
      type="button"
      className={`jp-Containers-button jp-mod-${look}`}
      minimal={look !== 'primary'}
      small
      title={caption}
      aria-label={onlyIcon ? label : undefined}
      aria-describedby={props.describedBy}
      aria-pressed={
        commands.isToggleable(id, args)
          ? commands.isToggled(id, args)
          : undefined
      }
      disabled={!commands.isEnabled(id, args)}
      onClick={() => void run()}
    >
      {icon instanceof LabIcon && (
        <icon.react tag="span" width="16px" height="16px" />
      )}
      {!onlyIcon && <span>{label}</span>}
    </Button>
  );
}

interface IDisclosureProps {
  readonly id: string;
  readonly label: React.ReactNode;
  readonly open: boolean;
  readonly onToggle: () => void;
  readonly className?: string;
  readonly children: React.ReactNode;
}

/** A button that shows and hides what is below it. */
export function Disclosure(props: IDisclosureProps): React.JSX.Element {
  const { id, open } = props;
  const Caret = open ? caretDownIcon : caretRightIcon;
  return (
    <>
      <button
        type="button"
        className={classes('jp-Containers-fold', props.className)}
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={props.onToggle}
      >
        <Caret.react tag="span" width="16px" height="16px" />
        <span className="jp-Containers-foldLabel">{props.label}</span>
      </button>
      {open && <div id={id}>{props.children}</div>}
    </>
  );
}

interface INoteProps {
  readonly kind: 'error' | 'warning' | 'info';
  readonly title: string;
  readonly hint?: string;
  readonly items?: readonly string[];
  readonly onDismiss?: (() => void) | undefined;
  readonly children?: React.ReactNode;
}

/** Text with an upper-case first letter, unless it starts with a name. */
export function capitalize(text: string): string {
  const clean = stripControls(text);
  if (!/^[a-z]+[ ,]/.test(clean)) {
    return clean;
  }
  return clean.charAt(0).toUpperCase() + clean.slice(1);
}

/** An error, a warning or information, with a hint and buttons. */
export function Note(props: INoteProps): React.JSX.Element {
  const { kind, items = [], onDismiss } = props;
  return (
    <div
      className={`jp-Containers-note jp-mod-${kind}`}
      role={kind === 'error' ? 'alert' : 'status'}
    >
      <div className="jp-Containers-noteHead">
        <p className="jp-Containers-noteTitle">{capitalize(props.title)}</p>
        {onDismiss && (
          <Button
            type="button"
            className="jp-Containers-button jp-mod-icon"
            minimal
            small
            title={trans.__('Dismiss')}
            aria-label={trans.__('Dismiss')}
            onClick={onDismiss}
          >
            <closeIcon.react tag="span" width="16px" height="16px" />
          </Button>
        )}
      </div>
      {items.length > 0 && (
        <ul>
          {items.map((item, index) => (
            <li key={index}>{stripControls(item)}</li>
          ))}
        </ul>
      )}
      {props.hint && <p>{stripControls(props.hint)}</p>}
      {props.children && (
        <div className="jp-Containers-buttons">{props.children}</div>
      )}
    </div>
  );
}

/** A problem as a note; nothing without one. */
export function Problem(props: {
  readonly problem: IProblem | null;
  readonly onDismiss?: () => void;
}): React.JSX.Element | null {
  const { problem, onDismiss } = props;
  return (
    problem && (
      <Note
        kind="error"
        title={problem.message}
        hint={problem.hint}
        onDismiss={onDismiss}
      />
    )
  );
}

/** A command to copy. */
export function Copyable(props: {
  readonly commands: CommandRegistry;
  readonly text: string;
}): React.JSX.Element {
  const text = stripControls(props.text);
  return (
    <div className="jp-Containers-copyable">
      <pre
        tabIndex={0}
        aria-label={trans.__('Command to copy: %1', text)}
        role="group"
      >
        {text}
      </pre>
      <CommandButton
        commands={props.commands}
        id={CommandIDs.copy}
        args={{ text }}
        look="icon"
      />
    </div>
  );
}

interface IMeterProps {
  readonly label: string;
  readonly text: string;
  /** From 0 to 100; null without a limit. */
  readonly percent: number | null;
  /** Whether to warn if little is left. */
  readonly scarce?: boolean;
}

/** A quantity, as text and as a bar. */
export function Meter(props: IMeterProps): React.JSX.Element {
  const { label, percent, text } = props;
  return (
    <div className="jp-Containers-meter">
      <span>{label}</span>
      <span className="jp-Containers-figure">{text}</span>
      {percent !== null && (
        <div
          className="jp-Containers-bar"
          role="meter"
          aria-label={label}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={percent}
          aria-valuetext={text}
          data-high={props.scarce && percent >= 90 ? true : undefined}
        >
          <div style={{ width: `${String(percent)}%` }} />
        </div>
      )}
    </div>
  );
}

/** A spinner with a text. */
export function Loading(props: { readonly text: string }): React.JSX.Element {
  return (
    <p className="jp-Containers-waiting" role="status">
      <span className="jp-Containers-spinner" aria-hidden="true" />
      {props.text}
    </p>
  );
}
