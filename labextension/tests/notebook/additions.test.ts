import type { IOutput } from '@jupyterlab/nbformat';
import { describe, expect, it } from 'vitest';

import {
  mayInstall,
  parsePackages,
  textOf
} from '../../src/notebook/additions';

describe('a cell', () => {
  it.each([
    ['%pip install pandas', true],
    ['import x\n!pip3 install -q pandas', true],
    ['!{sys.executable} -m pip install pandas', true],
    ['!sudo apt-get -y install git', true],
    ['%%bash\nconda install gdal', true],
    ['!uv pip install polars', true],
    ['%pip list', false],
    ['pip = 1\ninstall = 2', false],
    ['%%dockerfile\nFROM x\nRUN pip install pandas', false],
    ['', false]
  ])('%s', (source, expected) => {
    expect(mayInstall(source)).toBe(expected);
  });

  it('has printed what stands in its outputs', () => {
    const outputs: IOutput[] = [
      { output_type: 'stream', name: 'stdout', text: ['a\n', 'b'] },
      {
        output_type: 'display_data',
        data: { 'text/plain': 'no' },
        metadata: {}
      },
      { output_type: 'stream', name: 'stderr', text: 'c' },
      { output_type: 'error', ename: 'E', evalue: 'e', traceback: ['d'] }
    ];
    expect(textOf(outputs)).toBe('a\nb\n\nc\nd');
    const long = {
      output_type: 'stream',
      name: 'stdout',
      text: 'x'.repeat(1e6)
    };
    expect(textOf([long, ...outputs]).endsWith('\nd')).toBe(true);
    expect(textOf([long]).length).toBe(200_000);
  });
});

describe('what a kernel says of its packages', () => {
  const answer = (text: unknown) => ({ data: { 'text/plain': text } });

  it('is read', () => {
    const hex = [...new TextEncoder().encode('{"pip":{"é":"1"}}')]
      .map(byte => byte.toString(16).padStart(2, '0'))
      .join('');
    expect(parsePackages(answer(`'${hex}'`))).toEqual({ pip: { é: '1' } });
  });

  it.each([
    [undefined],
    [null],
    [{ status: 'error' }],
    [answer("'zz'")],
    [answer("'7b'")],
    [answer(['x'])],
    [answer('')]
  ])('is nothing where it is something else: %j', said => {
    expect(parsePackages(said)).toBeNull();
  });
});
