import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { fakeImage } from '../support/api/fake-images.ts';
import { Harness } from '../support/api/harness.ts';

/**
 * Each query parameter that the description of Docker's Engine API names for an endpoint about images is answered.
 * As in responses.test.ts, TARE_ENGINE_API_DESCRIPTION names the description.
 */
const file = process.env.TARE_ENGINE_API_DESCRIPTION;

interface Operation {
  readonly tags?: readonly string[];
  readonly parameters?: ReadonlyArray<{ readonly name: string; readonly in: string }>;
}

const json = (value: unknown) => JSON.stringify(value);
const LABEL = json({ label: ['a=b'] });
const AMD64 = json({ os: 'linux', architecture: 'amd64' });

interface Asked {
  /** A value that is taken, by parameter. */
  readonly taken: Readonly<Record<string, string>>;
  /** A value that is refused with status 400, by parameter. */
  readonly refused?: Readonly<Record<string, string>>;
  /** What goes with every request. */
  readonly always?: string;
}

/** By method and path of the description, with the values to try. */
const ENDPOINTS: Readonly<Record<string, Asked>> = {
  'get /images/json': {
    taken: { all: '1', filters: LABEL, 'shared-size': '1', digests: '1', manifests: '1' },
    refused: { filters: json({ color: ['red'] }) },
  },
  'get /images/{name}/json': {
    taken: { manifests: '1', platform: AMD64 },
    refused: { platform: 'linux' },
  },
  'get /images/{name}/history': { taken: { platform: AMD64 }, refused: { platform: '{}' } },
  'get /images/{name}/get': { taken: { platform: AMD64 }, refused: { platform: '[]' } },
  'get /images/get': {
    taken: { names: 'nginx', platform: AMD64 },
    refused: { platform: '1' },
    always: 'names=nginx',
  },
  'post /images/load': { taken: { quiet: '1', platform: AMD64 }, refused: { platform: 'x' } },
  'post /images/create': {
    taken: {
      fromImage: 'nginx',
      fromSrc: '-',
      repo: 'a',
      tag: '1',
      message: 'm',
      changes: 'CMD x',
      platform: 'linux/amd64',
    },
    always: 'fromSrc=-',
  },
  'post /images/{name}/push': { taken: { tag: '1', platform: AMD64 }, refused: { platform: '""' } },
  'post /images/{name}/tag': { taken: { repo: 'b', tag: '2' }, always: 'repo=a&tag=1' },
  'delete /images/{name}': {
    taken: { force: '1', noprune: '1', platforms: AMD64 },
    refused: { platforms: 'null' },
  },
  'get /images/search': {
    taken: { term: 'nginx', limit: '5', filters: json({ 'is-official': ['true'] }) },
    refused: { limit: 'many', filters: json({ color: ['red'] }) },
    always: 'term=nginx',
  },
  'post /images/prune': {
    taken: { filters: json({ dangling: ['false'], until: ['24h'], 'label!': ['x'] }) },
    refused: { filters: json({ reference: ['x'] }) },
  },
};

describe.skipIf(file === undefined)('parameters of images against the API description', () => {
  const harness = new Harness();
  let documented: Map<string, string[]>;

  beforeAll(async () => {
    const description = Bun.YAML.parse(readFileSync(file ?? '', 'utf8')) as {
      readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
    };
    documented = new Map();
    for (const [path, operations] of Object.entries(description.paths)) {
      if (!path.startsWith('/images/')) continue;
      for (const [method, operation] of Object.entries(operations)) {
        const query = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query');
        documented.set(`${method} ${path}`, query.map(({ name }) => name).sort());
      }
    }
    await harness.start();
  });
  afterAll(() => harness.stop());
  beforeEach(() => {
    harness.engine.images.items = [fakeImage()];
  });

  test('all endpoints and parameters are tried', () => {
    const tried = Object.entries(ENDPOINTS).map(([key, { taken }]) => [key, Object.keys(taken).sort()]);
    expect(Object.fromEntries(tried)).toEqual(Object.fromEntries(documented));
  });

  for (const [key, { taken, refused = {}, always = '' }] of Object.entries(ENDPOINTS)) {
    const [method = '', pattern = ''] = key.split(' ');
    const path = pattern.replace('{name}', 'nginx');
    const call = (name: string, value: string) => {
      const own = `${name}=${encodeURIComponent(value)}`;
      const others = always.split('&').filter((part) => part !== '' && !part.startsWith(`${name}=`));
      const query = [own, ...others].join('&');
      return harness.call(method.toUpperCase(), `/v1.51${path}?${query}`);
    };
    test(key, async () => {
      for (const [name, value] of Object.entries(taken)) {
        const { status } = await call(name, value);
        expect({ name, taken: status < 300 }).toEqual({ name, taken: true });
      }
      for (const [name, value] of Object.entries(refused)) {
        expect({ name, status: (await call(name, value)).status }).toEqual({ name, status: 400 });
      }
    });
  }
});
