import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalString, familiarName, parseReference, withDefaultTag } from '../../oci/reference.ts';
import type { ProgressMessage } from '../../wire/errors.ts';
import { fileBody, saveBody } from '../commands/archive-files.ts';
import type { CommandContext } from '../context.ts';
import { failureOf } from '../progress/progress.ts';
import { pushImage } from '../progress/push.ts';
import { registryAuth } from '../registry-auth.ts';
import type { CacheFrom, CacheTo } from './cache-flags.ts';

/** A cache in a folder is one archive: an image whose layers are those of steps. */
const ARCHIVE = 'tare-cache.tar';

/**
 * Brings the caches of `--cache-from` to the daemon. One that cannot be had makes a build slower and no failure, as
 * with BuildKit. @param warn gets what could not be had
 */
export async function takeCaches(
  context: CommandContext,
  from: readonly CacheFrom[],
  warn: (text: string) => void,
): Promise<void> {
  for (const cache of from) {
    try {
      const images =
        cache.type === 'local' ? await load(context, cache.src) : [await pull(context, cache.ref)];
      for (const image of images)
        await context.client.send('POST', '/tare/build/cache', { query: { image } });
    } catch (error) {
      const what = cache.type === 'local' ? cache.src : cache.ref;
      warn(`importing the cache ${what}: ${(error as Error).message}`);
    }
  }
}

async function follow(messages: AsyncIterable<ProgressMessage>): Promise<string> {
  let said = '';
  for await (const message of messages) {
    const failure = failureOf(message);
    if (failure !== undefined) throw failure;
    said += message.stream ?? '';
  }
  return said;
}

async function load(context: CommandContext, folder: string): Promise<string[]> {
  const path = join(folder, ARCHIVE);
  if (!existsSync(path))
    throw new Error(`there is no ${ARCHIVE} in it: export one with --cache-to type=local`);
  const said = await follow(
    context.client.messages<ProgressMessage>('POST', '/images/load', {
      query: { quiet: 1 },
      headers: { 'Content-Type': 'application/x-tar' },
      body: fileBody(path),
    }),
  );
  return [...said.matchAll(/Loaded image(?: ID)?: (\S+)/g)].map(([, name = '']) => name);
}

async function pull(context: CommandContext, ref: string): Promise<string> {
  const reference = withDefaultTag(parseReference(ref));
  const repository = familiarName(reference);
  try {
    await follow(
      context.client.messages<ProgressMessage>('POST', '/images/create', {
        query: { fromImage: repository, tag: reference.digest ?? reference.tag },
        headers: { 'X-Registry-Auth': await registryAuth(context, repository) },
      }),
    );
  } catch (error) {
    // What is here counts without a registry.
    const here = await context.client.json('GET', `/images/${ref}/json`).then(
      () => true,
      () => false,
    );
    if (!here) throw error;
  }
  return canonicalString(reference);
}

/** Puts the cache that a build made (an image's id) where `--cache-to` wants it. */
export async function putCaches(
  context: CommandContext,
  to: readonly CacheTo[],
  image: string,
): Promise<void> {
  const { client } = context;
  try {
    for (const cache of to) {
      if (cache.type === 'local') {
        mkdirSync(cache.dest, { recursive: true });
        await saveBody(context, join(cache.dest, ARCHIVE), 'export the cache', () =>
          client.request('GET', '/images/get', { query: { names: [image] } }),
        );
      } else if (cache.type === 'registry') await pushCache(context, cache.ref, image);
    }
  } finally {
    await client.send('DELETE', `/images/${image}`, { query: { force: 1 } }).catch(() => {});
  }
}

async function pushCache(context: CommandContext, ref: string, image: string): Promise<void> {
  const reference = withDefaultTag(parseReference(ref));
  const repo = familiarName(reference);
  await context.client.send('POST', `/images/${image}/tag`, { query: { repo, tag: reference.tag } });
  const console = { ...context.console, out: () => {} };
  await pushImage(context, { reference, console, terminal: false });
}
