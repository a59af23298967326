import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Api } from '../../src/api/api';
import type { IImage } from '../../src/api/types';
import { Connection } from '../../src/models/connection';
import {
  baseFor,
  Images,
  suggestBases,
  USUAL_BASE
} from '../../src/models/images';
import { FakeServer, FIELDS, refusal } from './fake';

let fake: FakeServer;
let api: Api;
let server: Connection;

beforeEach(() => {
  vi.useFakeTimers();
  fake = new FakeServer().on('GET settings', { fields: FIELDS });
  api = new Api(fake.requests);
  server = new Connection(() => api.fields());
});

afterEach(() => {
  server.dispose();
  vi.useRealTimers();
});

const settle = () => vi.advanceTimersByTimeAsync(0);

function image(reference: string, more: Partial<IImage> = {}): IImage {
  return {
    reference,
    id: 'sha256:1',
    engine: 'podman',
    size: 1,
    created: '',
    pinned: null,
    ...more
  };
}

describe('images', () => {
  const many = Array.from({ length: 500 }, (_, index) =>
    image(`ghcr.io/org/image-${String(index)}:1`)
  );
  let images: Images;

  beforeEach(async () => {
    images = new Images(api, server);
    fake.on('GET images', {
      images: [...many, image('python:3', { pinned: 'snake' })],
      problems: []
    });
    images.active = true;
    await settle();
  });

  it('are drawn a few at a time, and found by every word', () => {
    expect(images.filtered).toHaveLength(501);
    expect(images.visibleRows).toBe(40);
    images.showMore();
    expect(images.visibleRows).toBe(80);
    images.showFirst();
    expect(images.visibleRows).toBe(40);
    images.showMore();
    images.query = 'IMAGE-49 org';
    expect(images.filtered).toHaveLength(11);
    expect(images.visibleRows).toBe(40);
    images.query = 'snake';
    expect(images.filtered.map(one => one.reference)).toEqual(['python:3']);
  });

  it('are looked into when they open, and stay when that fails', async () => {
    fake.on('GET images/detail', () =>
      Promise.reject(refusal(404, 'It is gone.'))
    );
    images.toggle(many[0]!);
    await settle();
    expect(images.isOpen(many[0]!)).toBe(true);
    expect(images.detail(many[0]!).error?.message).toBe('It is gone.');
    expect(images.error).toBeNull();
    images.toggle(many[0]!);
    expect(images.isOpen(many[0]!)).toBe(false);
  });

  it('start a container only by a POST, which no link can send', async () => {
    const found = { kernels: [] };
    fake.on('POST images/detail', found);
    const probing = images.probe(many[0]!);
    expect(images.isProbing(many[0]!)).toBe(true);
    await probing;
    const { engine, reference } = many[0]!;
    expect(fake.asked.at(-1)).toEqual({
      what: 'POST images/detail',
      body: { engine, reference }
    });
    expect(images.detail(many[0]!).data).toEqual(found);
    expect(images.isProbing(many[0]!)).toBe(false);
  });

  it('go at once when they are removed, and stay when that is refused', async () => {
    fake.on('DELETE images', () =>
      Promise.reject(refusal(409, 'A container uses it.'))
    );
    await expect(images.remove(many[0]!)).rejects.toThrow('uses it');
    expect(images.filtered).toHaveLength(501);
    fake.on('DELETE images', undefined);
    await images.remove(many[0]!);
    expect(images.filtered).toHaveLength(500);
  });
});

describe('the bases of a first cell', () => {
  it('are images that notebooks are built on, those with Python first', () => {
    const references = [
      'docker.io/library/postgres:17',
      'localhost/jupyter-containers/n-1234:abc',
      'quay.io/jupyter/scipy-notebook:2026',
      'docker.io/condaforge/miniforge3:24.9.2-0',
      'localhost/jupyter-containers/python:3.12',
      'docker.io/library/python:3.9',
      'docker.io/library/python:3.12',
      'sha256:python'
    ];
    const here = [
      ...references.map(reference => image(reference)),
      image('docker.io/library/python:3.14', { engine: 'docker' })
    ];
    const bases = suggestBases(here, 'podman');
    expect(bases).toEqual([
      'localhost/jupyter-containers/python:3.12',
      'docker.io/library/python:3.12',
      'docker.io/library/python:3.9',
      'docker.io/condaforge/miniforge3:24.9.2-0',
      'quay.io/jupyter/scipy-notebook:2026'
    ]);
    expect(suggestBases(here, null)).toContain('docker.io/library/python:3.14');
    expect(baseFor('pip', bases)).toBe(bases[0]);
    expect(baseFor('conda', bases)).toBe(bases[3]);
  });

  it('name no tag that is the default', () => {
    const here = [image('localhost/jupyter-containers/python:latest')];
    expect(suggestBases(here, 'podman')).toEqual([
      'localhost/jupyter-containers/python'
    ]);
  });

  it('are the usual one where none is here', () => {
    const bases = suggestBases([image('docker.io/library/redis:8')], 'podman');
    expect(bases).toEqual([USUAL_BASE]);
    expect(baseFor('conda', bases)).toBe('');
  });
});
