import { TareError } from '../../base/errors.ts';
import type { KeptContexts } from '../../engine/builder/context/kept-contexts.ts';
import type { BuildExtrasBody, BuildExtrasResponse, SentContextResponse } from '../../wire/build.ts';
import { bodyStream, readText } from '../body.ts';
import type { BuildContexts, BuildExtras } from '../build-contexts.ts';
import { HttpError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { text } from '../query.ts';
import type { Route } from '../router.ts';

interface Dependencies {
  readonly keptContexts: KeptContexts;
}

/** Of the things in one context; a list of more would not fit into the memory that a daemon should take. */
const MOST_ENTRIES = 2_000_000;
/** Bytes of one line: a batch of entries. */
const LONGEST_LINE = 32 * 1024 * 1024;
/** Bytes of all that goes with a build: secrets have 500 kB each at most. */
const MOST_EXTRAS = 64 * 1024 * 1024;

/** How `tare build` brings what Docker's API has no room for: contexts of which only changed files travel, secrets. */
export function buildContextRoutes({ keptContexts }: Dependencies, contexts: BuildContexts): Route[] {
  async function announce(x: Exchange): Promise<void> {
    const key = text(x, 'key');
    if (key === '') throw new HttpError(400, 'the key of the context is missing');
    const sync = await contexts.begin(key);
    let id: string;
    let wanted: SentContextResponse['Wanted'];
    try {
      let count = 0;
      for await (const entries of batches(x)) {
        count += entries.length;
        if (count > MOST_ENTRIES) {
          throw new TareError(
            'invalid',
            `the build context has more than ${MOST_ENTRIES} files: leave some out with .dockerignore`,
          );
        }
        await sync.announce(entries as Parameters<typeof sync.announce>[0]);
      }
      wanted = (await sync.wanted()).map(({ index, digest }) => [index, digest] as const);
      id = contexts.hold(sync);
    } catch (error) {
      await sync.release();
      throw error;
    }
    const answer: SentContextResponse = { Id: id, Wanted: wanted };
    x.json(201, answer);
  }

  return [
    {
      method: 'GET',
      pattern: '/tare/build/contexts',
      handle(x) {
        x.json(
          200,
          keptContexts.list().map(({ id, key, size, usedAt, inUse }) => ({
            Id: id,
            Key: key,
            Size: size,
            UsedAt: usedAt,
            InUse: inUse,
          })),
        );
      },
    },
    { method: 'POST', pattern: '/tare/build/contexts', handle: announce },
    {
      method: 'POST',
      pattern: '/tare/build/files',
      async handle(x) {
        await contexts.receive(text(x, 'id'), bodyStream(x));
        x.empty(204);
      },
    },
    {
      method: 'POST',
      pattern: '/tare/build/requests',
      async handle(x) {
        const id = contexts.holdExtras(extrasOf(await readText(x, MOST_EXTRAS)));
        x.json(201, { Id: id } satisfies BuildExtrasResponse);
      },
    },
  ];
}

/** The lines of a body, each an array. */
async function* batches(x: Exchange): AsyncGenerator<unknown[]> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of bodyStream(x)) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop()!;
    for (const line of lines) yield arrayOf(line);
    if (rest.length > LONGEST_LINE) throw new HttpError(413, 'a line of the build context is too long');
  }
  if (rest !== '') yield arrayOf(rest);
}

function arrayOf(line: string): unknown[] {
  const value = parsed(line);
  if (!Array.isArray(value) || !value.every(isEntry))
    throw new HttpError(400, 'invalid entries of a build context');
  return value;
}

function isEntry(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const entry = value as Record<string, unknown>;
  const numbers = ['mode', 'uid', 'gid', 'size', 'seconds', 'nanoseconds', 'major', 'minor'];
  return (
    numbers.every((name) => Number.isSafeInteger(entry[name])) &&
    ['path', 'mark', 'link'].every((name) => typeof entry[name] === 'string') &&
    (entry.xattrs === undefined || isTexts(entry.xattrs))
  );
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new HttpError(400, 'invalid JSON in a build context');
  }
}

const isTexts = (value: unknown): value is Record<string, string> =>
  typeof value === 'object' && value !== null && Object.values(value).every((one) => typeof one === 'string');

function extrasOf(json: string): BuildExtras {
  const body = parsed(json) as BuildExtrasBody;
  const {
    Context = '',
    Contexts = {},
    Dockerfile,
    Secrets = {},
    SSH = {},
    NoCacheFilter = [],
    CacheTo = {},
  } = body ?? {};
  if (typeof Context !== 'string' || !isTexts(Secrets) || !isTexts(SSH) || !Array.isArray(NoCacheFilter)) {
    throw new HttpError(400, 'invalid build request');
  }
  return {
    context: Context,
    contexts: Object.fromEntries(
      Object.entries(Contexts).map(([name, { Context: id, Image = '' }]) => [
        name,
        id === undefined ? { image: Image } : { context: id },
      ]),
    ),
    dockerfile: Dockerfile && { text: String(Dockerfile.Text), name: String(Dockerfile.Name) },
    secrets: new Map(Object.entries(Secrets).map(([id, value]) => [id, Buffer.from(value, 'base64')])),
    ssh: new Map(Object.entries(SSH)),
    noCacheFilter: NoCacheFilter.map(String),
    cacheTo: { inline: CacheTo.Inline === true, mode: CacheTo.Mode ?? '' },
  };
}
