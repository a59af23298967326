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

import { CommandIDs } from '../commandids';
import type { ICommandContext } from './context';
import { plain, shortImage } from '../ui/format';
import { containerIcon } from '../ui/icon';
import type { ContainersModel } from '../models/model';
import type { IImageReference } from '../api/types';
import { suggestedTitle } from '../models/images';

type Args = ReadonlyPartialJSONObject;

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function keyOf(args: Args): IImageReference {
  return { engine: text(args.engine), reference: text(args.reference) };
}

/** Register them. */
export function addImageCommands(context: ICommandContext): void {
  addPull(context);
  addUse(context);
  addConvert(context);
  addPin(context);
  addRemove(context);
}

function addPull(context: ICommandContext): void {
  const { commands, model } = context;
  commands.addCommand(CommandIDs.pull, {
    label: args => (args.notebook ? 'Pull' : 'Pull an Image…'),
    caption: 'Fetch an image from its registry',
    icon: downloadIcon,
    isEnabled: () => !model.imagesActing.doing,
    execute: async args => {
      const reference =
        text(args.reference) ||
        (args.notebook ? text(model.notebook?.settings?.image) : '') ||
        (await askReference());
      if (reference) {
        if (!args.here) {
          await commands.execute(CommandIDs.open, { section: 'builds' });
        }
        await model.imagesActing.run(`Pulling ${reference}…`, async () => {
          const engine = text(args.engine) || (await engineFor(model, args));
          await model.jobs.pull(engine, reference);
        });
      }
    }
  });
}

async function askReference(): Promise<string> {
  const said = await InputDialog.getText({
    title: 'Pull an image',
    label: 'Its name, for example python:3.12-slim',
    okLabel: 'Pull'
  });
  return said.button.accept ? (said.value ?? '').trim() : '';
}

/** The engine that the notebook asks for, or the one that is taken if nothing is said. */
async function engineFor(model: ContainersModel, args: Args): Promise<string> {
  const asked = args.notebook ? model.notebook?.settings?.engine : undefined;
  if (typeof asked === 'string' && asked) {
    return asked;
  }
  const { engines } = model;
  await engines.ensure();
  const engine = engines.data?.default;
  if (!engine) {
    throw new Error(
      'No engine works here: the section “Engines” says what is missing.'
    );
  }
  return engine;
}

function addUse(context: ICommandContext): void {
  const { commands, model } = context;
  commands.addCommand(CommandIDs.useImage, {
    label: 'Use for this notebook',
    caption: 'Put it into the settings of the notebook, where Apply takes it',
    icon: containerIcon,
    isEnabled: () => model.notebook !== null && model.notebook.path !== null,
    execute: async args => {
      const { engine, reference } = keyOf(args);
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
    label: 'Choose Another Image',
    caption: 'Look through the images that are here',
    icon: searchIcon,
    execute: () => commands.execute(CommandIDs.open, { section: 'images' })
  });
  commands.addCommand(CommandIDs.moreImages, {
    label: 'Show more',
    execute: () => model.images.more()
  });
  commands.addCommand(CommandIDs.probeImage, {
    label: 'Look into it',
    caption: 'Start a container of it for a moment and see what kernels it has',
    icon: searchIcon,
    execute: args =>
      model.imagesActing.run('Looking into the image…', () =>
        model.images.probe(keyOf(args))
      )
  });
}

function addConvert({ commands, model }: ICommandContext): void {
  commands.addCommand(CommandIDs.convertImage, {
    label: args => `Use on ${plain(text(args.to))}`,
    caption: args =>
      `Copy it from ${plain(text(args.engine))}, so that ${plain(text(args.to))} can run it too`,
    icon: copyIcon,
    isEnabled: args => !model.imagesActing.doing && text(args.to) !== '',
    execute: async args => {
      const image = keyOf(args);
      const said = `Converting ${shortImage(image.reference)}…`;
      await model.imagesActing.run(said, () =>
        model.jobs.convert(image, text(args.to))
      );
    }
  });
}

function addPin(context: ICommandContext): void {
  const { commands, model } = context;
  commands.addCommand(CommandIDs.pinImage, {
    label: 'Pin as kernel…',
    caption: 'Offer it in the Launcher and in the list of kernels',
    icon: addIcon,
    execute: async args => {
      const image = keyOf(args);
      const said = await InputDialog.getText({
        title: 'Pin as kernel',
        label: `What ${shortImage(image.reference)} is called in the Launcher and in the list of kernels`,
        text: suggestedTitle(image.reference),
        okLabel: 'Pin'
      });
      const title = (said.value ?? '').trim();
      if (said.button.accept && title) {
        await model.imagesActing.run('Pinning…', () =>
          model.images.pin(image, title)
        );
      }
    }
  });
  commands.addCommand(CommandIDs.unpin, {
    label: 'Unpin',
    caption: args => `Take back the kernel ${plain(text(args.name))}`,
    icon: closeIcon,
    execute: args =>
      model.imagesActing.run('Unpinning…', () =>
        model.images.unpin(text(args.name))
      )
  });
}

function addRemove(context: ICommandContext): void {
  const { commands, model } = context;
  commands.addCommand(CommandIDs.removeImage, {
    label: 'Remove…',
    caption: 'Take this image off its engine',
    icon: deleteIcon,
    isEnabled: () => !model.imagesActing.doing,
    execute: async args => {
      const image = keyOf(args);
      if (!context.confirmRemove() || (await confirmed(image))) {
        await model.imagesActing.run('Removing…', () =>
          model.images.remove(image)
        );
      }
    }
  });
}

async function confirmed(image: IImageReference): Promise<boolean> {
  const said = await showDialog({
    title: 'Remove image',
    body: `Remove ${shortImage(image.reference)} from ${plain(image.engine)}? What was built into it has to be built again.`,
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: 'Remove' })]
  });
  return said.button.accept;
}
