/** Stands before a registry of renderers: what is isolated passes to the renderers here. */

import {
  type IRenderMime,
  type IRenderMimeRegistry,
  RenderMimeRegistry
} from '@jupyterlab/rendermime';

import { kindOf, preferredType, WIDGET_VIEW } from './classify';
import { type Needs, sayNeeds, Undrawn } from './needs';
import {
  distrust,
  IsolatedHTML,
  IsolatedScript,
  IsolatedSVG,
  strictSanitizer,
  Withheld
} from './renderers';

/** What decides about the outputs that a registry draws. */
export interface IGatePolicy {
  /** Whether they are isolated, asked at each of them. */
  readonly isIsolated: () => boolean;
  /** Asks to trust them; null where nobody can. */
  readonly trust: (() => void) | null;
  /** Types that are left to the registry although they are not drawn isolated. */
  readonly allowOthers?: boolean;
  /** What outputs need that JupyterLab has no renderer for. */
  readonly needs?: Needs;
  /** Draw nothing at all: between two ways of drawing. */
  readonly isClosed?: () => boolean;
}

/** What decides about a registry, and about a clone of it. */
interface IGuarded {
  policy: IGatePolicy;
  cloned: (options: IRenderMimeRegistry.ICloneOptions) => IGatePolicy;
}

const guarded = new WeakMap<IRenderMimeRegistry, IGuarded>();

/**
 * Let a registry draw by a policy, which replaces an earlier one, and its clones by `cloned` or the
 * same. Renderers that are added later pass the gate too; where nothing is isolated, the registry's
 * own methods are called and nothing else.
 */
export function guard(
  rendermime: IRenderMimeRegistry,
  policy: IGatePolicy,
  cloned: IGuarded['cloned'] = () => policy
): void {
  const before = guarded.get(rendermime);
  if (before) {
    Object.assign(before, { policy, cloned });
    return;
  }
  const current: IGuarded = { policy, cloned };
  guarded.set(rendermime, current);
  const create = rendermime.createRenderer.bind(rendermime);
  const prefer = rendermime.preferredMimeType.bind(rendermime);
  const clone = rendermime.clone.bind(rendermime);
  rendermime.createRenderer = type => {
    const { allowOthers, isIsolated, needs } = current.policy;
    if (isIsolated() && !(allowOthers && !kindOf(type))) {
      return createIsolated(rendermime, current.policy, type);
    }
    const hasRenderer = rendermime.getFactory(type) !== undefined;
    if (!needs || (hasRenderer && type !== WIDGET_VIEW)) {
      return create(type);
    }
    const options = optionsFor(rendermime, type);
    const made = hasRenderer ? create(type) : new Undrawn(options);
    return sayNeeds(made, type, needs, options.translator);
  };
  rendermime.preferredMimeType = (bundle, safe) => {
    const { allowOthers, isClosed, isIsolated, needs } = current.policy;
    if (isClosed?.()) {
      return undefined;
    }
    const isolates = isIsolated() && !allowOthers;
    const best = isolates
      ? preferredType(bundle, rendermime.mimeTypes)
      : prefer(bundle, safe);
    if (isolates && best === 'text/html') {
      return best; // in a frame, where it needs one
    }
    const has = (type: string) => rendermime.getFactory(type) !== undefined;
    // In a frame of its own a script does not find what an earlier one has loaded.
    const isAlone = isolates && best !== undefined && kindOf(best) === 'script';
    return needs?.undrawn(bundle, isAlone ? undefined : best, has) ?? best;
  };
  rendermime.clone = (options = {}) => {
    const made = clone(options);
    guard(made, current.cloned(options));
    return made;
  };
}

function optionsFor(
  rendermime: IRenderMimeRegistry,
  mimeType: string
): IRenderMime.IRendererOptions {
  return {
    mimeType,
    resolver: rendermime.resolver,
    sanitizer: rendermime.sanitizer,
    linkHandler: rendermime.linkHandler,
    latexTypesetter: rendermime.latexTypesetter,
    markdownParser: rendermime.markdownParser,
    ...(rendermime instanceof RenderMimeRegistry && {
      translator: rendermime.translator
    })
  };
}

function createIsolated(
  rendermime: IRenderMimeRegistry,
  policy: IGatePolicy,
  mimeType: string
): IRenderMime.IRenderer {
  const options: IRenderMime.IRendererOptions = {
    ...optionsFor(rendermime, mimeType),
    sanitizer: strictSanitizer(rendermime.sanitizer, policy.isIsolated)
  };
  const factory = rendermime.getFactory(mimeType);
  switch (kindOf(mimeType)) {
    case 'html':
      return new IsolatedHTML(options);
    case 'script':
      return new IsolatedScript(options);
    case 'svg':
      return new IsolatedSVG(options);
    case 'text':
      // A renderer that is not safe may not honour that its data is not trusted.
      return factory?.safe
        ? distrust(factory.createRenderer(options), mimeType, policy.isIsolated)
        : new Withheld(options, policy.trust);
    case 'ours':
      return factory
        ? factory.createRenderer(options)
        : new Withheld(options, policy.trust);
    case undefined:
      return new Withheld(options, policy.trust, policy.needs);
  }
}
