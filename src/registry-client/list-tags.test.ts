import { describe, expect, test } from 'bun:test';
import { FakeRegistry, onPath } from '../../test/support/fake-registry.ts';
import { isKind } from '../base/errors.ts';
import { MEDIA_TYPES } from '../oci/manifest.ts';
import { parseReference } from '../oci/reference.ts';
import { RegistryClient } from './client.ts';

const signal = new AbortController().signal;
const client = new RegistryClient({ retryDelayMs: 1 });

/** Serves the pages one after another; each names the next by `link`. */
function pages(
  registry: FakeRegistry,
  bodies: unknown[],
  link = (_page: number) => '/v2/app/tags/list?n=2&last=x',
) {
  let page = 0;
  registry.faults.push(
    onPath('/tags/list', Number.POSITIVE_INFINITY, (response) => {
      const body = bodies[Math.min(page++, bodies.length - 1)];
      const more = page < bodies.length || bodies.length === 1;
      response.writeHead(200, more ? { Link: `<${link(page)}>; rel="next"` } : {});
      response.end(JSON.stringify(body));
    }),
  );
}

const tagsOf = (registry: FakeRegistry) =>
  client.listTags(parseReference(`${registry.host}/app`), { signal });

describe('the tags of a repository', () => {
  test('come from all pages, what is no tag is left out', async () => {
    await using registry = await FakeRegistry.start();
    pages(registry, [{ tags: ['a', 'b'] }, { tags: ['c', '../x', 7] }, { name: 'app', tags: null }]);
    expect(await tagsOf(registry)).toEqual(['a', 'b', 'c']);
  });

  test('that never end are given up', async () => {
    await using registry = await FakeRegistry.start();
    pages(registry, [{ tags: ['a'] }]);
    await expect(tagsOf(registry)).rejects.toThrow('does not end');
  });

  test('are not followed to another server, which would get the token', async () => {
    await using registry = await FakeRegistry.start();
    pages(registry, [{ tags: ['a'] }, { tags: ['b'] }], () => 'http://127.0.0.1:9/v2/app/tags/list');
    await expect(tagsOf(registry)).rejects.toThrow('not at the registry');
  });

  test('of nobody: not found', async () => {
    await using registry = await FakeRegistry.start();
    registry.faults.push(
      onPath('/tags/list', 1, (response) => {
        response
          .writeHead(404)
          .end('{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known"}]}');
      }),
    );
    const error = await tagsOf(registry).catch((failure: unknown) => failure);
    expect(isKind(error, 'not-found')).toBe(true);
  });
});

describe('looking at a reference', () => {
  test("an image has its config's platform, an index those of its entries", async () => {
    await using registry = await FakeRegistry.start();
    const image = registry.image('app', 'one', [new Uint8Array(10)], 'arm64');
    const platform = { os: 'linux', architecture: 'arm', variant: 'v7' };
    const entry = { mediaType: image.mediaType, digest: image.digest, size: image.size, platform };
    const index = registry.document(
      'app',
      { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [entry] },
      MEDIA_TYPES.ociIndex,
      'all',
    );
    const inspect = (tag: string) =>
      client.inspect(parseReference(`${registry.host}/app:${tag}`), { signal });
    expect(await inspect('one')).toMatchObject({
      descriptor: { mediaType: MEDIA_TYPES.ociManifest, digest: image.digest, size: image.size },
      platforms: [{ architecture: 'arm64', os: 'linux' }],
    });
    expect(await inspect('all')).toMatchObject({
      descriptor: { mediaType: MEDIA_TYPES.ociIndex, digest: index.digest, size: index.size },
      platforms: [platform],
    });
    await expect(inspect('none')).rejects.toThrow(/^manifest unknown: manifest unknown$/);
  });
});
