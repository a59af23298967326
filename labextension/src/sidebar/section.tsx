/** A section of the sidebar: a heading that opens and closes it, and its body. */

import { classes, VDomRenderer } from '@jupyterlab/ui-components';
import { caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import React from 'react';

import type { ContainersModel, SectionName } from '../models/model';
import { useModels } from './components';

/** The properties of a section's body. */
export interface ISectionProps {
  readonly model: ContainersModel;
  readonly commands: CommandRegistry;
}

/** A section's name, title and body. */
export interface ISectionOptions {
  readonly name: SectionName;
  readonly title: string;
  readonly component: React.ComponentType<ISectionProps>;
  /** The number beside the title; null if unknown. */
  readonly count?: (model: ContainersModel) => number | null;
}

function SectionView(
  props: ISectionProps & { readonly options: ISectionOptions }
): React.JSX.Element {
  const { options, model, commands } = props;
  useModels(model);
  const open = model.isOpen(options.name);
  const id = `jp-Containers-section-${options.name}`;
  const Caret = open ? caretDownIcon : caretRightIcon;
  const Body = options.component;
  return (
    <section
      className={classes('jp-Containers-section', open ? 'jp-mod-open' : '')}
      aria-labelledby={`${id}-title`}
    >
      <h2 className="jp-Containers-sectionTitle">
        <button
          type="button"
          id={`${id}-title`}
          aria-expanded={open}
          aria-controls={open ? id : undefined}
          onClick={() => model.setOpen(options.name, !open)}
        >
          <Caret.react tag="span" width="16px" height="16px" />
          <span>{options.title}</span>
          {options.count && <Count model={model} count={options.count} />}
        </button>
      </h2>
      {open && (
        <div id={id} className="jp-Containers-body" tabIndex={0}>
          <Body model={model} commands={commands} />
        </div>
      )}
    </section>
  );
}

function Count(props: {
  readonly model: ContainersModel;
  readonly count: (model: ContainersModel) => number | null;
}): React.JSX.Element | null {
  const { images, jobs, devices } = props.model;
  useModels(images, jobs, devices);
  const count = props.count(props.model);
  return count ? (
    <span className="jp-Containers-count">{String(count)}</span>
  ) : null;
}

/** A section as a widget of the side panel. */
export class Section extends VDomRenderer<ContainersModel> {
  constructor(
    model: ContainersModel,
    private readonly commands: CommandRegistry,
    private readonly options: ISectionOptions
  ) {
    super(model);
    this.addClass('jp-Containers-sectionWidget');
  }

  protected override render(): React.JSX.Element {
    return (
      <SectionView
        model={this.model}
        commands={this.commands}
        options={this.options}
      />
    );
  }
}
