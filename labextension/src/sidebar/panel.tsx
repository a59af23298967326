/** The sidebar: a side panel with a header and the sections. */

import { ReactWidget, SidePanel } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import type { Message } from '@lumino/messaging';
import { Panel } from '@lumino/widgets';
import React from 'react';

import { CommandIDs } from '../commandids';
import type { ContainersModel } from '../models/model';
import { trans } from '../trans';
import { containerIcon } from '../ui/icon';
import { ApprovalsSection } from './approvalssection';
import { BuildsSection } from './buildssection';
import { CommandButton, Note, useModels } from './components';
import { DevicesSection } from './devicessection';
import { EnginesSection } from './enginessection';
import { ImagesSection } from './imagessection';
import { NotebookSection } from './notebooksection';
import type { ISectionOptions, ISectionProps } from './section';
import { Section } from './section';

const sections = (): readonly ISectionOptions[] => [
  {
    name: 'notebook',
    title: trans.__('This notebook'),
    component: NotebookSection
  },
  {
    name: 'images',
    title: trans.__('Images'),
    component: ImagesSection,
    count: model => model.images.data?.images.length ?? null
  },
  {
    name: 'builds',
    title: trans.__('Builds'),
    component: BuildsSection,
    count: model => model.jobs.running.length
  },
  {
    name: 'devices',
    title: trans.__('Devices'),
    component: DevicesSection,
    count: model => model.devices.data?.devices.length ?? null
  },
  { name: 'engines', title: trans.__('Engines'), component: EnginesSection },
  {
    name: 'approvals',
    title: trans.__('Approvals'),
    component: ApprovalsSection
  }
];

/** The panel's title, and an error while the server does not answer. */
function Header(props: ISectionProps): React.JSX.Element {
  const { commands, model } = props;
  useModels(model.connection);
  return (
    <>
      <div className="jp-Containers-titleBar">
        <h1>{trans.__('Containers')}</h1>
        <CommandButton
          commands={commands}
          id={CommandIDs.refresh}
          look="icon"
        />
      </div>
      {model.otherExecutor && <Note kind="warning" {...model.otherExecutor} />}
      {model.connection.isLost && (
        <Note
          kind="error"
          title={trans.__('The Jupyter server does not answer.')}
          hint={trans.__(
            'If only the connection is cut, all goes on there. If the server has ended, its builds and its containers end too, within seconds. This is asked again until it answers.'
          )}
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
    this.title.caption = trans.__('Containers');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Containers'));
    const header = ReactWidget.create(
      <Header model={model} commands={commands} />
    );
    header.addClass('jp-Containers-header');
    this.header.addWidget(header);
    this.content.node.removeAttribute('role');
    this.content.node.removeAttribute('aria-label');
    for (const options of sections()) {
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
