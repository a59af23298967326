/** The details of an image: actions, kernels, layers. */

import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import React from 'react';

import type { IImage, IImageDetail } from '../api/types';
import { CommandIDs } from '../commandids';
import { layersOf } from '../models/imagerows';
import type { ContainersModel } from '../models/model';
import { trans } from '../trans';
import { formatBytes, shortImage, stripControls } from '../ui/format';
import { CommandButton, Loading, Note, Problem, useModels } from './components';

interface IDetailProps {
  readonly commands: CommandRegistry;
  readonly image: IImage;
  readonly model: ContainersModel;
}

function Kernels(props: IDetailProps & { readonly detail: IImageDetail }) {
  const { detail, commands, image, model } = props;
  const args = { engine: image.engine, reference: image.reference };
  if (model.images.isProbing(image)) {
    return <Loading text={trans.__('Looking into the image…')} />;
  }
  if (detail.kernel_problem) {
    const { message, hint } = detail.kernel_problem;
    return <Note kind="warning" title={message} hint={hint} />;
  }
  if (detail.kernels === null) {
    return (
      <p>
        {trans.__('Not looked into yet.')}{' '}
        <CommandButton
          commands={commands}
          id={CommandIDs.probeImage}
          args={args}
        />
      </p>
    );
  }
  return (
    <ul className="jp-Containers-plainList">
      {detail.kernels.map(kernel => (
        <li key={kernel.name}>
          {stripControls(kernel.display_name)}{' '}
          <span className="jp-Containers-quiet">
            {stripControls(kernel.language)}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Layers(props: { readonly detail: IImageDetail }): React.JSX.Element {
  return (
    <table className="jp-Containers-table">
      <caption>{trans.__('Layers, oldest first')}</caption>
      <thead>
        <tr>
          <th scope="col">{trans.__('Instruction')}</th>
          <th scope="col">{trans.__('Size')}</th>
        </tr>
      </thead>
      <tbody>
        {layersOf(props.detail).map(({ instruction, size }, index) => (
          <tr key={index}>
            <td className="jp-Containers-code">{instruction || 'unknown'}</td>
            <td>{size ? formatBytes(size) : '–'}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Facts(props: { readonly detail: IImageDetail }): React.JSX.Element {
  const { detail } = props;
  const facts = [
    ['Name', detail.reference],
    ['Id', detail.id, shortImage(detail.id)],
    [
      'Digest',
      detail.digests.join('\n'),
      detail.digests.map(digest => shortImage(digest)).join('\n')
    ],
    ['Architecture', detail.architecture],
    ['User', detail.user],
    ['Entrypoint', detail.entrypoint.join(' ')]
  ].filter(([, value]) => value);
  return (
    <dl className="jp-Containers-facts">
      {facts.map(([name, value = '', short]) => (
        <React.Fragment key={name}>
          <dt>{name}</dt>
          <dd
            className="jp-Containers-code"
            title={short && stripControls(value)}
          >
            {stripControls(short ?? value)}
          </dd>
        </React.Fragment>
      ))}
    </dl>
  );
}

/** The usable engines that have no image of that name. */
function enginesWithout(model: ContainersModel, image: IImage): string[] {
  const have = (model.images.data?.images ?? [])
    .filter(other => other.reference === image.reference)
    .map(({ engine }) => engine);
  return (model.engines.data?.engines ?? [])
    .filter(({ name, usable }) => usable && !have.includes(name))
    .map(({ name }) => name);
}

/** The buttons of an image. */
function Buttons(props: IDetailProps): React.JSX.Element {
  const { commands, image, model } = props;
  const args = { engine: image.engine, reference: image.reference };
  const button = (id: string, more: ReadonlyJSONObject = args) => (
    <CommandButton commands={commands} id={id} args={more} />
  );
  return (
    <>
      <div className="jp-Containers-buttons">
        {button(CommandIDs.useImage)}
        {image.pinned
          ? button(CommandIDs.unpin, { name: image.pinned })
          : button(CommandIDs.pinImage)}
        {button(CommandIDs.removeImage)}
      </div>
      <div className="jp-Containers-buttons">
        {enginesWithout(model, image).map(to => (
          <React.Fragment key={to}>
            {button(CommandIDs.convertImage, { ...args, to })}
          </React.Fragment>
        ))}
      </div>
    </>
  );
}

/** The details of an image in the list. */
export function ImageDetail(props: IDetailProps): React.JSX.Element {
  const { image, model } = props;
  useModels(model.images);
  const detail = model.images.detail(image);
  const { data } = detail;
  return (
    <>
      <Buttons {...props} />
      {image.pinned && (
        <p className="jp-Containers-quiet">
          {trans.__('Pinned as the kernel %1.', stripControls(image.pinned))}
        </p>
      )}
      <Problem problem={detail.error} />
      {!data && detail.loading && (
        <Loading text={trans.__('Looking at the image…')} />
      )}
      {data && (
        <>
          <h3>{trans.__('Kernels')}</h3>
          <Kernels {...props} detail={data} />
          <h3>{trans.__('About')}</h3>
          <Facts detail={data} />
          <Layers detail={data} />
        </>
      )}
    </>
  );
}
