import { describe, expect, it } from 'vitest';

import type { IEngine, IKernel } from '../../src/api/types';
import { differenceInEffect, valueInEffect } from '../../src/models/applied';
import {
  approvalOf,
  describeValue,
  duplicateName,
  isSame,
  toInput,
  toValue,
  unsupportedReason
} from '../../src/models/form';
import { FIELDS } from './fake';

const by = (key: string) => FIELDS.find(field => field.key === key)!;

describe('what stands in an input', () => {
  it.each([
    ['image', 'me/lab:1', 'me/lab:1'],
    ['cpus', 1.5, '1.5'],
    ['cpus', undefined, ''],
    ['memory', '8g', '8g'],
    ['network', undefined, 'private'],
    ['network', 'none', 'none'],
    ['read_only', undefined, false],
    ['read_only', true, true],
    ['ports', [8888, '8080:80'], ['8888', '8080:80']],
    ['env', { A: 'b' }, [['A', 'b']]],
    [
      'mounts',
      [{ source: 'data', target: '/data' }],
      [{ source: 'data', target: '/data', writable: false }]
    ]
  ])('%s %j', (key, value, input) => {
    expect(toInput(by(key), value)).toEqual(input);
  });

  it.each([
    ['mounts', 'no list'],
    ['mounts', [null, 7, 'text']],
    ['ports', { a: 1 }],
    ['env', [1]],
    ['env', null]
  ])('is empty where a notebook holds nonsense: %s %j', (key, value) => {
    expect(toInput(by(key), value)).toEqual([]);
  });
});

describe('the setting that an input means', () => {
  it.each([
    ['cpus', ' 1.5 ', 1.5],
    ['cpus', 'many', 'many'],
    ['cpus', '', undefined],
    ['cpus', '1.', 1],
    ['cpus', '0x10', '0x10'],
    ['memory', '8g', '8g'],
    ['network', 'private', undefined],
    ['network', 'none', 'none'],
    ['read_only', false, undefined],
    ['read_only', true, true],
    ['ports', ['8888', '', ' 1 '], [8888, 1]],
    ['ports', ['8080:80'], ['8080:80']],
    ['ports', [''], undefined],
    ['devices', ['nvidia.com/gpu=0'], ['nvidia.com/gpu=0']],
    [
      'env',
      [
        ['A', 'b'],
        ['', '']
      ],
      { A: 'b' }
    ],
    ['mounts', [{ source: ' ', target: '', writable: true }], undefined]
  ])('%s %j', (key, input, value) => {
    expect(toValue(by(key), input as string)).toEqual(value);
  });

  it('comes back as it went in', () => {
    const mounts = [{ source: '../a b', target: '/mnt/a', writable: true }];
    expect(toValue(by('mounts'), toInput(by('mounts'), mounts))).toEqual(
      mounts
    );
  });
});

it('finds a variable that stands twice', () => {
  const twice = [
    ['A', '1'],
    ['A', '2']
  ] as const;
  expect(duplicateName(twice)).toBe('A');
  expect(duplicateName([['A', '1']])).toBeNull();
  expect(duplicateName('text')).toBeNull();
});

it('compares settings whatever the order of their keys', () => {
  expect(isSame({ a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 })).toBe(
    true
  );
  expect(isSame([1, 2], [2, 1])).toBe(false);
  expect(isSame(null, undefined)).toBe(false);
});

describe('what is approved', () => {
  it.each([
    ['mounts', false, [], null],
    ['mounts', true, ['mounts'], 'missing'],
    ['mounts', true, [], 'approved'],
    ['mounts', true, undefined, null],
    ['memory', true, [], 'free']
  ])('%s, asked %s, missing %j', (key, asked, missing, said) => {
    expect(approvalOf(key, asked, missing as string[] | undefined)).toBe(said);
  });
});

it('says why an engine cannot', () => {
  expect(unsupportedReason(by('memory'), 'podman')).toBeNull();
  expect(unsupportedReason(by('memory'), 'charliecloud')).toContain(
    'charliecloud'
  );
  expect(unsupportedReason(by('memory'), 'slurm+charliecloud')).toBeNull();
});

describe('what applies', () => {
  const kernel: IKernel = {
    id: 'k',
    state: 'running',
    phase: '',
    trouble: null,
    container: 'c',
    engine: 'podman',
    image: 'docker.io/library/python:3',
    applied: {
      uid: 1000,
      gid: 100,
      memory: 2 ** 31,
      pids: null,
      cpus: 1.5,
      network: ['lo']
    },
    running: { version: 1, image: 'x', env: { A: 'b' } },
    placement: null
  };

  it.each([
    ['image', 'python:3'],
    ['engine', 'podman'],
    ['memory', '2 GiB'],
    ['cpus', '1.5'],
    ['pids', 'no limit'],
    ['network', 'none'],
    ['user', 'uid 1000, gid 100'],
    ['env', 'A=b'],
    ['mounts', 'none'],
    ['read_only', 'no']
  ])('%s is read back from inside: %s', (key, said) => {
    expect(valueInEffect(by(key), kernel)).toBe(said);
  });

  it.each([
    [['network-private'], ['lo', 'eth0'], 'private (eth0)'],
    [[], ['lo', 'eth0'], 'this machine’s network'],
    [[], ['lo'], 'none']
  ])('of the network, where an engine has %j: %j is %s', (has, names, said) => {
    const engine = { name: 'podman', features: has } as unknown as IEngine;
    const inside = { ...kernel.applied!, network: names };
    const connected = { ...kernel, applied: inside };
    expect(valueInEffect(by('network'), connected, [engine])).toBe(said);
  });

  it.each([
    ['memory', '2g', null],
    ['memory', '2048 MiB', null],
    ['memory', '4g', '2 GiB'],
    ['memory', undefined, '2 GiB'],
    ['pids', undefined, null],
    ['pids', 100, 'no limit'],
    ['mounts', undefined, null],
    ['network', 'none', null],
    ['network', 'private', 'none'],
    ['env', { A: 'b' }, null],
    ['env', { A: 'c' }, 'A=b']
  ])('is told where it is not what is asked: %s %j', (key, asked, said) => {
    expect(differenceInEffect(by(key), asked, kernel)).toBe(said);
  });

  it('is not known while nothing runs', () => {
    expect(valueInEffect(by('memory'), null)).toBeNull();
    const starting = { ...kernel, applied: null, running: null };
    expect(valueInEffect(by('memory'), starting)).toBeNull();
  });
});

it('shows names of mounts without what would reorder them', () => {
  const mounts = [{ source: 'a\u202eb', target: '/x\u0007', writable: true }];
  expect(describeValue(by('mounts'), mounts)).toBe('ab at /x, read and write');
});
