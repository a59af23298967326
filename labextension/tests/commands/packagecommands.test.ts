import { beforeEach, describe, expect, it } from 'vitest';

import { Api } from '../../src/api/api';
import type { IFoundPackage } from '../../src/api/types';
import { addChanges, addPackage } from '../../src/commands/packagecommands';
import type { NotebookState } from '../../src/models/notebookstate';
import { FakeServer } from '../models/fake';

const CELL = '%%dockerfile\nFROM x';

let fake: FakeServer;
let cells: string[];

beforeEach(() => {
  fake = new FakeServer();
  cells = ['1 + 1', CELL];
});

/** A notebook with these cells. */
function state(): NotebookState {
  const model = {
    cells: {
      [Symbol.iterator]: () => {
        const found = cells.map((source, at) => ({
          type: 'code',
          sharedModel: {
            getSource: () => source,
            setSource: (text: string) => {
              cells[at] = text;
            }
          }
        }));
        return found[Symbol.iterator]();
      }
    },
    sharedModel: {
      insertCell: (at: number, { source }: { source: string }) => {
        cells.splice(at, 0, source);
      }
    }
  };
  return {
    api: new Api(fake.requests),
    path: 'n.ipynb',
    panel: { content: { model }, context: { localPath: 'n.ipynb' } }
  } as unknown as NotebookState;
}

function found(more: Partial<IFoundPackage>): void {
  const plain = { name: 'Some_Name', version: '', message: '', hint: '' };
  fake.on('POST packages', { ...plain, missing: false, ...more });
}

function answers(lines: readonly string[]): void {
  const additions = { packages: ['Some_Name==1.2'], lines, notes: [] };
  fake.on('POST additions', {
    ...additions,
    dockerfile: `${CELL}\nRUN pip`,
    ask: false
  });
}

describe('a package that is added by its name', () => {
  it('has the version of the index', async () => {
    found({ version: '1.2' });
    answers(['RUN pip']);
    const said = await addPackage(state(), 'Some_Name[x]>=1');
    expect(said).toContain('Some_Name==1.2 was added to the Dockerfile.');
    expect(cells).toEqual(['1 + 1', `${CELL}\nRUN pip`]);
    expect(fake.asked.at(-1)?.body).toEqual({
      path: 'n.ipynb',
      source: '%pip install "Some_Name[x]>=1"',
      output: '',
      dockerfile: CELL,
      packages: { pip: { 'some-name': '1.2' } }
    });
  });

  it('gets a Dockerfile cell where the notebook has none', async () => {
    cells = ['1 + 1'];
    found({ version: '1.2' });
    answers(['RUN pip']);
    await addPackage(state(), 'Some_Name');
    expect(cells).toEqual([`${CELL}\nRUN pip`, '1 + 1']);
  });

  it('is left alone where it is there already', async () => {
    found({ version: '1.2' });
    answers([]);
    expect(await addPackage(state(), 'Some_Name')).toContain('already');
    expect(cells).toEqual(['1 + 1', CELL]);
  });

  it('is added unchecked only at a version that was typed', async () => {
    found({ message: 'It could not be checked.', hint: 'Type NAME==VERSION.' });
    answers(['RUN pip']);
    await expect(addPackage(state(), 'Some_Name')).rejects.toThrow(
      'It could not be checked. Type NAME==VERSION.'
    );
    expect(cells).toEqual(['1 + 1', CELL]);
    expect(await addPackage(state(), 'Some_Name == 1.2')).toContain(
      'It could not be checked.'
    );
    expect(cells).toEqual(['1 + 1', `${CELL}\nRUN pip`]);
  });

  it('is refused where the index has none of that name', async () => {
    found({ missing: true, message: 'There is none.' });
    await expect(addPackage(state(), 'Some_Name==1.2')).rejects.toThrow(
      'There is none.'
    );
    expect(fake.count('POST additions')).toBe(0);
  });
});

describe('what was installed in the container', () => {
  const route = 'POST containers/jupyter-1/changes';
  const lines = ['RUN pip install a==1'];
  const additions = { packages: ['a==1'], lines, notes: [], ask: false };

  it('is added once the lines were read', async () => {
    fake.on(route, { ...additions, dockerfile: `${CELL}\nRUN pip` });
    const shown: unknown[] = [];
    const said = await addChanges(state(), 'jupyter-1', (...what) => {
      shown.push(what);
      return Promise.resolve(true);
    });
    expect(said).toBe('a==1 was added to the Dockerfile. Build to have it.');
    expect(shown).toEqual([[lines, []]]);
    expect(cells).toEqual(['1 + 1', `${CELL}\nRUN pip`]);
    expect(fake.asked.at(-1)?.body).toEqual({ dockerfile: CELL });
  });

  it('is left alone if the user does not want it, or has it', async () => {
    fake.on(route, { ...additions, dockerfile: `${CELL}\nRUN pip` });
    const no = () => Promise.resolve(false);
    expect(await addChanges(state(), 'jupyter-1', no)).toBe('');
    fake.on(route, { ...additions, lines: [], dockerfile: CELL });
    expect(await addChanges(state(), 'jupyter-1', no)).toContain('already');
    expect(cells).toEqual(['1 + 1', CELL]);
  });
});
