/** The sidebar: a side panel with a header and the sections. */

import { ReactWidget, SidePanel } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import type { Message } from '@lumino/messaging';
import { Panel } from '@lumino/widgets';
import React from 'react';

import { CommandIDs } from '../commandids';
import type { ContainersModel } from '../models/model';
import { containerIcon } from '../ui/icon';
import { BuildsSection } from './buildssection';
import { CommandButton, Note, useModels } from './components';
import { DevicesSection } from './devicessection';
import { EnginesSection } from './enginessection';
import { ImagesSection } from './imagessection';
import { NotebookSection } from './notebooksection';
import type { ISectionOptions, ISectionProps } from './section';
import { Section } from './section';

const SECTIONS: readonly ISectionOptions[] = [
  { name: 'notebook', title: 'This notebook', component: NotebookSection },
  {
    name: 'images',
    title: 'Images',
    component: ImagesSection,
    count: model => model.images.data?.images.length ?? null
  },
  {
    name: 'builds',
    title: 'Builds',
    component: BuildsSection,
    count: model => model.jobs.running.length
  },
  {
    name: 'devices',
    title: 'Devices',
    component: DevicesSection,
    count: model => model.devices.data?.devices.length ?? null
  },
  { name: 'engines', title: 'Engines', component: EnginesSection }
];

/** The panel's title, and an error while the server does not answer. */
function Header(props: ISectionProps): React.JSX.Element {
  const { commands, model } = props;
  useModels(model.connection);
  return (
    <>
      <div className="jp-Containers-titleBar">
        <h1>Containers</h1>
        <CommandButton
          commands={commands}
          id={CommandIDs.refresh}
          look="icon"
        />
      </div>
      {model.connection.isLost && (
        <Note
          kind="error"
          title="The Jupyter server does not answer."
          hint="If only the connection is cut, all goes on there. If the server has ended, its builds and its containers end too, within seconds. This is asked again until it answers."
        >
          <CommandButton commands={commands} id={CommandIDs.retry} />
        </Note>
      )}
    </>
  );
}

/** The side panel. It tells the model whether it is visible. */
export class ContainersPanel extends SidePanel {
  constructor(
    private readonly model: ContainersModel,
    commands: CommandRegistry
  ) {
    super({ content: new Panel() });
    this.id = 'jp-containers-panel';
    this.addClass('jp-Containers');
    this.title.icon = containerIcon;
    this.title.caption = 'Containers';
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Containers');
    const header = ReactWidget.create(
      <Header model={model} commands={commands} />
    );
    header.addClass('jp-Containers-header');
    this.header.addWidget(header);
    this.content.node.removeAttribute('role');
    this.content.node.removeAttribute('aria-label');
    for (const options of SECTIONS) {
      this.addWidget(new Section(model, commands, options));
    }
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    this.model.visible = this.isVisible;
  }

  protected override onBeforeDetach(msg: Message): void {
    super.onBeforeDetach(msg);
    this.model.visible = false;
  }

  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this.model.visible = true;
  }

  protected override onAfterHide(msg: Message): void {
    super.onAfterHide(msg);
    this.model.visible = false;
  }
}
