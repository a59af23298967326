/** The texts of this extension in the user's language. */

import {
  type ITranslator,
  nullTranslator,
  type TranslationBundle
} from '@jupyterlab/translation';

let bundle = nullTranslator.load('');

/** Translate from now on. The plugin that all others need calls it, before anything is shown. */
export function setTranslator(translator: ITranslator): void {
  bundle = translator.load('jupyter_containers');
}

/** As `ITranslator` gives it; for texts inside functions, not for constants of a module. */
export const trans: Pick<TranslationBundle, '__' | '_n'> = {
  __: (text: string, ...args: unknown[]) => bundle.__(text, ...args),
  _n: (text: string, plural: string, count: number, ...args: unknown[]) =>
    bundle._n(text, plural, count, ...args)
};
