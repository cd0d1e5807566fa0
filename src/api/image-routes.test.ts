import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { IMAGE_ID } from '../../test/support/api/fake-containers.ts';
import { fakeImage } from '../../test/support/api/fake-images.ts';
import { Harness } from '../../test/support/api/harness.ts';

const harness = new Harness();
beforeAll(() => harness.start());
afterAll(() => harness.stop());
beforeEach(() => {
  harness.engine.images.items = [fakeImage()];
  harness.engine.images.calls = [];
});

const filter = (filters: unknown) => `filters=${encodeURIComponent(JSON.stringify(filters))}`;

describe('images', () => {
  test('list, with fields by version', async () => {
    expect(await harness.json('GET', '/v1.51/images/json')).toEqual([
      {
        Containers: -1,
        Created: 1764547200,
        Id: IMAGE_ID,
        Labels: { a: 'b' },
        ParentId: '',
        RepoDigests: [],
        RepoTags: ['nginx:latest'],
        SharedSize: -1,
        Size: 100,
      },
    ]);
    expect(await harness.json('GET', '/v1.43/images/json')).toMatchObject([{ VirtualSize: 100 }]);
  });

  test.each([
    [{ dangling: ['true'] }, 1],
    [{ dangling: ['false'] }, 1],
    [{ reference: ['nginx'] }, 1],
    [{ reference: ['ngi*:lat*'] }, 1],
    [{ reference: ['*/nginx'] }, 0],
    [{ label: ['a=b'] }, 2],
    [{ label: ['a=c'] }, 0],
    [{ since: ['nginx'] }, 0],
    [{ until: ['2020-01-01'] }, 0],
  ])('%j finds %d', async (filters, count) => {
    harness.engine.images.items = [fakeImage(), fakeImage({ id: 'sha256:2', repoTags: [] })];
    const found = (await harness.json('GET', `/images/json?${filter(filters)}`)) as unknown[];
    expect(found.length).toBe(count);
  });

  test('an image that others were made from is only shown with all', async () => {
    harness.engine.images.items = [
      fakeImage({ parent: 'sha256:2' }),
      fakeImage({ id: 'sha256:2', repoTags: [] }),
    ];
    expect(((await harness.json('GET', '/images/json')) as unknown[]).length).toBe(1);
    expect(((await harness.json('GET', '/images/json?all=1')) as unknown[]).length).toBe(2);
  });

  test('inspect, history, tag, remove, prune', async () => {
    expect(await harness.json('GET', '/v1.51/images/nginx:latest/json')).toMatchObject({
      Id: IMAGE_ID,
      Created: '2025-12-01T00:00:00Z',
      Config: { Cmd: ['sh'] },
      RootFS: { Type: 'layers', Layers: ['sha256:aa'] },
      Metadata: { LastTagTime: '0001-01-01T00:00:00Z' },
    });
    expect(await harness.json('GET', '/images/nginx/history')).toMatchObject([
      { Id: IMAGE_ID, CreatedBy: 'CMD', Size: 0, Tags: ['nginx:latest'] },
      { Id: '<missing>', CreatedBy: 'ADD', Size: 7, Created: 1764547200, Tags: null },
    ]);
    expect((await harness.call('POST', '/images/nginx/tag?repo=host:5000/a/b&tag=1')).status).toBe(201);
    expect(harness.engine.images.calls).toEqual([['tag', 'nginx', 'host:5000/a/b:1']]);
    expect(await harness.json('DELETE', '/images/nginx')).toEqual([
      { Untagged: 'nginx:latest' },
      { Deleted: IMAGE_ID },
    ]);
    expect(await harness.json('POST', '/images/prune')).toEqual({ ImagesDeleted: null, SpaceReclaimed: 1 });
    const missing = await harness.call('GET', '/images/a/b/c:1/json');
    expect(missing.status).toBe(404);
    expect(JSON.parse(missing.body)).toEqual({ message: 'No such image: a/b/c:1' });
  });
});

describe('images of several platforms', () => {
  const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
  const descriptor = (digit: string) => ({
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: digest(digit),
    size: 3,
  });
  const index = { ...descriptor('1'), mediaType: 'application/vnd.oci.image.index.v1+json' };
  const amd64 = { os: 'linux', architecture: 'amd64' };
  const arm64 = { os: 'linux', architecture: 'arm64' };

  beforeEach(() => {
    harness.engine.images.manifest = {
      descriptor: index,
      manifests: [
        { descriptor: descriptor('2'), kind: 'image', platform: amd64, imageId: IMAGE_ID, contentSize: 20 },
        { descriptor: descriptor('3'), kind: 'image', platform: arm64, contentSize: 0 },
        { descriptor: descriptor('4'), kind: 'attestation', attests: digest('2'), contentSize: 0 },
      ],
    };
  });
  afterEach(() => {
    harness.engine.images.manifest = { manifests: [] };
  });

  const manifests = [
    {
      ID: digest('2'),
      Descriptor: descriptor('2'),
      Available: true,
      Size: { Content: 20, Total: 120 },
      Kind: 'image',
      ImageData: { Platform: amd64, Containers: ['c1'], Size: { Unpacked: 100 } },
    },
    {
      ID: digest('3'),
      Descriptor: descriptor('3'),
      Available: false,
      Size: { Content: 0, Total: 0 },
      Kind: 'image',
      ImageData: { Platform: arm64, Containers: [], Size: { Unpacked: 0 } },
    },
    {
      ID: digest('4'),
      Descriptor: descriptor('4'),
      Available: false,
      Size: { Content: 0, Total: 0 },
      Kind: 'attestation',
      AttestationData: { For: digest('2') },
    },
  ];

  test('in the list and in inspect, by version', async () => {
    const list = (query: string) => harness.json('GET', query) as Promise<Array<Record<string, unknown>>>;
    const [whole] = await list('/v1.51/images/json?manifests=1');
    expect(whole).toMatchObject({ Descriptor: index, Manifests: manifests, Containers: 1 });
    expect((await list('/v1.47/images/json?manifests=1'))[0]).not.toHaveProperty('Descriptor');
    expect((await list('/v1.47/images/json?manifests=1'))[0]).toHaveProperty('Manifests');
    expect((await list('/v1.46/images/json?manifests=1'))[0]).not.toHaveProperty('Manifests');
    expect((await list('/v1.51/images/json'))[0]).not.toHaveProperty('Manifests');
    const inspect = (query: string) => harness.json('GET', query);
    expect(await inspect('/v1.51/images/nginx/json?manifests=1')).toMatchObject({
      Descriptor: index,
      Manifests: manifests,
    });
    expect(await inspect('/v1.48/images/nginx/json')).toHaveProperty('Descriptor');
    expect(await inspect('/v1.47/images/nginx/json?manifests=1')).not.toHaveProperty('Manifests');
    expect(await inspect('/v1.47/images/nginx/json')).not.toHaveProperty('Descriptor');
  });

  test('shared sizes count layers that several images have', async () => {
    const other = fakeImage({ id: 'sha256:2', repoTags: ['other:latest'] });
    harness.engine.images.items = [fakeImage(), other];
    const query = '/images/json?shared-size=1';
    expect(await harness.json('GET', `/v1.51${query}`)).toMatchObject([
      { SharedSize: 7, Containers: 1 },
      { SharedSize: 7, Containers: 1 },
    ]);
    expect(await harness.json('GET', `/v1.41${query}`)).toMatchObject([
      { SharedSize: -1, Containers: -1 },
      { SharedSize: -1, Containers: -1 },
    ]);
  });

  const parameter = (value: unknown) => encodeURIComponent(JSON.stringify(value));

  test.each([
    ['GET', '/v1.51/images/nginx/json?platform='],
    ['GET', '/v1.48/images/nginx/history?platform='],
    ['DELETE', '/v1.50/images/nginx?platforms='],
  ])('%s %s takes a platform', async (method, path) => {
    await harness.json(method, path + parameter({ os: 'linux', architecture: 'aarch64' }));
    expect(harness.engine.images.calls).toContainEqual(['platform', arm64]);
    const refused = async (value: string) => JSON.parse((await harness.call(method, path + value)).body);
    expect(await refused('linux')).toEqual({ message: expect.stringContaining('failed to parse platform') });
    expect(await refused(parameter({ os: 'linux' }))).toEqual({
      message: 'both OS and Architecture must be provided',
    });
    expect(await refused(parameter({ variant: 'v7' }))).toEqual({
      message: 'optional platform fields provided, but OS and Architecture are missing',
    });
  });

  test('a platform and all manifests at once contradict each other', async () => {
    const path = `/v1.51/images/nginx/json?manifests=1&platform=${parameter(amd64)}`;
    const answer = await harness.call('GET', path);
    expect(answer.status).toBe(400);
    expect(answer.body).toContain('manifests and platform options cannot both be set');
  });

  test('the history names the steps that are images here', async () => {
    harness.engine.images.items = [
      fakeImage({ parent: 'sha256:2' }),
      fakeImage({ id: 'sha256:2', repoTags: ['base:1'] }),
    ];
    expect(await harness.json('GET', '/images/nginx/history')).toMatchObject([
      { Id: IMAGE_ID, Tags: ['nginx:latest'] },
      { Id: 'sha256:2', Tags: ['base:1'] },
    ]);
  });
});

test('views of images: mount, list, unmount', async () => {
  const path = '/tare/image-mounts';
  const entry = { Id: IMAGE_ID, RepoTags: ['nginx:latest'], Path: `/view/${IMAGE_ID}` };
  expect(await harness.json('GET', path)).toEqual([]);
  expect((await harness.call('POST', path)).status).toBe(400);
  expect((await harness.call('POST', `${path}?image=nope`)).status).toBe(404);
  expect(await harness.json('POST', `${path}?image=nginx`)).toEqual(entry);
  expect(await harness.json('GET', `/v1.51${path}`)).toEqual([entry]);
  expect(await harness.json('DELETE', `${path}?image=nginx`)).toEqual([entry]);
  expect((await harness.call('DELETE', `${path}?image=nginx`)).status).toBe(404);
  await harness.json('POST', `${path}?image=nginx`);
  expect(await harness.json('DELETE', `${path}?all=1`)).toEqual([entry]);
  expect(await harness.json('DELETE', `${path}?all=1`)).toEqual([]);
});
