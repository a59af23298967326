import {
  type CompletionHandler,
  type ICompletionContext,
  type ICompletionProvider,
  ProviderReconciliator
} from '@jupyterlab/completer';
import { describe, expect, it } from 'vitest';

import { DockerfileCompleter, keepOut } from '../../src/cells/completer';
import { DOCKERFILE_CELL } from '../../src/constants';
import { FakeServer } from './fakes';

/** A kernel, which offers what it knows to any cell. */
class Kernel implements ICompletionProvider {
  readonly identifier = 'kernel';
  readonly rank = 1000;

  isApplicable(): Promise<boolean> {
    return Promise.resolve(this instanceof Kernel);
  }

  fetch(
    request: CompletionHandler.IRequest
  ): Promise<CompletionHandler.ICompletionItemsReply> {
    const items = [{ label: 'FloatingPointError' }];
    return Promise.resolve({ start: 0, end: request.offset, items });
  }
}

function contextOf(mimeType: string): ICompletionContext {
  const editor = { model: { mimeType } };
  return { editor } as unknown as ICompletionContext;
}

/** The labels that JupyterLab shows at the end of a text. */
async function shown(
  text: string,
  mimeType = DOCKERFILE_CELL,
  pathOf: () => string | undefined = () => 'a.ipynb'
) {
  const server = new FakeServer({
    'POST paths': () => [
      200,
      {
        names: [
          { name: 'data/one.csv', folder: false },
          { name: 'data/raw', folder: true }
        ]
      }
    ]
  });
  const ours = new DockerfileCompleter(server.api, pathOf);
  const kernel = new Kernel();
  for (let again = 0; again < 2; again++) {
    keepOut([kernel, ours]);
  }
  const reconciliator = new ProviderReconciliator({
    context: contextOf(mimeType),
    providers: [kernel, ours],
    timeout: 1000
  });
  const reply = await reconciliator.fetch({ text, offset: text.length });
  const bodies = server.asked
    .filter(({ path }) => path === 'paths')
    .map(({ body }) => body);
  return { labels: reply?.items.map(item => item.label) ?? [], bodies };
}

describe('in a Dockerfile cell', () => {
  it('nobody else answers', async () => {
    const { labels } = await shown('%%dockerfile\nF');
    expect(labels).toEqual(['FROM']);
    expect((await shown('%%dockerfile\nRUN F')).labels).toEqual([]);
  });

  it('paths are asked of the server', async () => {
    const text = '%%dockerfile --context x\nFROM a\nCOPY data/';
    const { labels, bodies } = await shown(text);
    expect(labels).toEqual(['one.csv', 'raw/']);
    const body = { path: 'a.ipynb', source: text, typed: 'data/' };
    expect(bodies).toEqual([body]);
  });

  it('the context is a folder below the notebook’s', async () => {
    const { labels, bodies } = await shown('%%dockerfile --context data/');
    expect(labels).toEqual(['raw/']);
    expect(bodies).toMatchObject([{ source: '%%dockerfile\n' }]);
  });

  it('outside of notebooks there are no paths', async () => {
    const text = '%%dockerfile\nCOPY ';
    const found = await shown(text, DOCKERFILE_CELL, () => undefined);
    expect(found).toEqual({ labels: [], bodies: [] });
  });
});

it('in other cells we do not answer', async () => {
  const { labels } = await shown('F', 'text/x-ipython');
  expect(labels).toEqual(['FloatingPointError']);
});
