/** The commands of images: pull, convert, use, pin and remove. */

import { Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';
import {
  addIcon,
  closeIcon,
  copyIcon,
  deleteIcon,
  downloadIcon,
  searchIcon
} from '@jupyterlab/ui-components';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import type { IImageReference } from '../api/types';
import { CommandIDs } from '../commandids';
import { suggestTitle } from '../models/images';
import type { ContainersModel } from '../models/model';
import { trans } from '../trans';
import { shortImage, stripControls } from '../ui/format';
import { containerIcon } from '../ui/icon';
import { addCleanUp } from './cleanup';
import type { ICommandContext } from './context';

type Args = ReadonlyPartialJSONObject;

function asText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function imageOf(args: Args): IImageReference {
  return { engine: asText(args.engine), reference: asText(args.reference) };
}

/** Register the commands of images. */
export function addImageCommands(context: ICommandContext): void {
  addPull(context);
  addUse(context);
  addConvert(context);
  addPin(context);
  addRemove(context);
  addCleanUp(context);
}

function addPull(context: ICommandContext): void {
  const { commands, model } = context;
  commands.addCommand(CommandIDs.pull, {
    label: args =>
      args.notebook ? trans.__('Pull') : trans.__('Pull an Image…'),
    caption: trans.__('Fetch an image from its registry'),
    icon: downloadIcon,
    isEnabled: () => !model.imageAction.pending,
    execute: async args => {
      const reference =
        asText(args.reference) ||
        (args.notebook ? asText(model.notebook?.settings?.image) : '') ||
        (await askReference());
      if (reference) {
        if (!args.here) {
          await commands.execute(CommandIDs.open, { section: 'builds' });
        }
        await model.imageAction.run(
          trans.__('Pulling %1…', reference),
          async () => {
            const engine =
              asText(args.engine) || (await chooseEngine(model, args));
            await model.jobs.pull(engine, reference);
          }
        );
      }
    }
  });
}

async function askReference(): Promise<string> {
  const answer = await InputDialog.getText({
    title: trans.__('Pull an image'),
    label: trans.__('Its name, for example python:3.12-slim'),
    okLabel: trans.__('Pull')
  });
  return answer.button.accept ? (answer.value ?? '').trim() : '';
}

/** The notebook's engine, or the default one. */
async function chooseEngine(
  model: ContainersModel,
  args: Args
): Promise<string> {
  const asked = args.notebook ? model.notebook?.settings?.engine : undefined;
  if (typeof asked === 'string' && asked) {
    return asked;
  }
  const { engines } = model;
  await engines.ensure();
  const engine = engines.data?.default;
  if (!engine) {
    throw new Error(
      trans.__(
        'No engine works here: the section “Engines” says what is missing.'
      )
    );
  }
  return engine;
}

function addUse(context: ICommandContext): void {
  const { commands, model } = context;
  commands.addCommand(CommandIDs.useImage, {
    label: trans.__('Use for this notebook'),
    caption: trans.__(
      'Put it into the settings of the notebook, where Apply takes it'
    ),
    icon: containerIcon,
    isEnabled: () => model.notebook !== null && model.notebook.path !== null,
    execute: async args => {
      const { engine, reference } = imageOf(args);
      const draft = model.notebook?.draft;
      if (draft) {
        // The draft takes values only for fields that it knows.
        await model.fields.ensure();
        draft.setKey('image', reference);
        draft.setKey('engine', engine);
        await commands.execute(CommandIDs.open, { section: 'notebook' });
      }
    }
  });
  commands.addCommand(CommandIDs.choose, {
    label: trans.__('Choose Another Image'),
    caption: trans.__('Look through the images that are here'),
    icon: searchIcon,
    execute: () => commands.execute(CommandIDs.open, { section: 'images' })
  });
  commands.addCommand(CommandIDs.moreImages, {
    label: trans.__('Show more'),
    execute: () => model.images.showMore()
  });
  commands.addCommand(CommandIDs.probeImage, {
    label: trans.__('Look into it'),
    caption: trans.__(
      'Start a container of it for a moment and see what kernels it has'
    ),
    icon: searchIcon,
    execute: args =>
      model.imageAction.run(trans.__('Looking into the image…'), () =>
        model.images.probe(imageOf(args))
      )
  });
}

function addConvert({ commands, model }: ICommandContext): void {
  commands.addCommand(CommandIDs.convertImage, {
    label: args => trans.__('Use on %1', stripControls(asText(args.to))),
    caption: args =>
      trans.__(
        'Copy it from %1, so that %2 can run it too',
        stripControls(asText(args.engine)),
        stripControls(asText(args.to))
      ),
    icon: copyIcon,
    isEnabled: args => !model.imageAction.pending && asText(args.to) !== '',
    execute: async args => {
      const image = imageOf(args);
      const label = trans.__('Converting %1…', shortImage(image.reference));
      await model.imageAction.run(label, () =>
        model.jobs.convert(image, asText(args.to))
      );
    }
  });
}

function addPin(context: ICommandContext): void {
  const { commands, model } = context;
  commands.addCommand(CommandIDs.pinImage, {
    label: trans.__('Pin as kernel…'),
    caption: trans.__('Offer it in the Launcher and in the list of kernels'),
    icon: addIcon,
    execute: async args => {
      const image = imageOf(args);
      const answer = await InputDialog.getText({
        title: trans.__('Pin as kernel'),
        label: trans.__(
          'What %1 is called in the Launcher and in the list of kernels',
          shortImage(image.reference)
        ),
        text: suggestTitle(image.reference),
        okLabel: trans.__('Pin')
      });
      const title = (answer.value ?? '').trim();
      if (answer.button.accept && title) {
        await model.imageAction.run(trans.__('Pinning…'), () =>
          model.images.pin(image, title)
        );
      }
    }
  });
  commands.addCommand(CommandIDs.unpin, {
    label: trans.__('Unpin'),
    caption: args =>
      trans.__('Take back the kernel %1', stripControls(asText(args.name))),
    icon: closeIcon,
    execute: args =>
      model.imageAction.run(trans.__('Unpinning…'), () =>
        model.images.unpin(asText(args.name))
      )
  });
}

function addRemove(context: ICommandContext): void {
  const { commands, model } = context;
  commands.addCommand(CommandIDs.removeImage, {
    label: trans.__('Remove…'),
    caption: trans.__('Take this image off its engine'),
    icon: deleteIcon,
    isEnabled: () => !model.imageAction.pending,
    execute: async args => {
      const image = imageOf(args);
      if (!context.shouldConfirmRemove() || (await confirmRemoval(image))) {
        await model.imageAction.run(trans.__('Removing…'), () =>
          model.images.remove(image)
        );
      }
    }
  });
}

async function confirmRemoval(image: IImageReference): Promise<boolean> {
  const answer = await showDialog({
    title: trans.__('Remove image'),
    body: trans.__(
      'Remove %1 from %2? What was built into it has to be built again.',
      shortImage(image.reference),
      stripControls(image.engine)
    ),
    buttons: [
      Dialog.cancelButton(),
      Dialog.warnButton({ label: trans.__('Remove') })
    ]
  });
  return answer.button.accept;
}
