import { rmSync, writeFileSync } from 'node:fs';
import { canonicalString, parseReference, withDefaultTag } from '../../oci/reference.ts';
import type { ProgressMessage } from '../../wire/errors.ts';
import type { CommandContext } from '../context.ts';
import { CommandFailure } from '../failure.ts';
import { pushImage } from '../progress/push.ts';
import { registryConfig } from '../registry-auth.ts';
import { openView, showsLive } from './build-view.ts';
import { parseCacheFrom, parseCacheTo } from './cache-flags.ts';
import { putCaches, takeCaches } from './caches.ts';
import { openContext } from './context.ts';
import { defaultArguments } from './defaults.ts';
import { type SentExtras, sendExtras } from './extras.ts';
import { type BuildOutput, parseOutput } from './outputs.ts';
import { buildQuery } from './query.ts';
import { type BuildFlags, refuseUnsupported } from './refusals.ts';
import { type BuiltImage, writeOutput } from './results.ts';
import { Upload } from './upload.ts';

/** Builds an image as a command line asks, shows how it goes, and puts the result where it is wanted. */
export async function build(context: CommandContext, given: BuildFlags, place: string): Promise<void> {
  refuseUnsupported(given);
  const outputs = given.output.map(parseOutput);
  const quiet = given.quiet || given.progress === 'quiet';
  const flags = { ...given, quiet, tag: [...given.tag, ...outputs.flatMap((output) => output.names)] };
  if (pushes(flags, outputs) && flags.tag.length === 0) {
    throw new CommandFailure('tag is needed when pushing to registry: give the image a name with --tag');
  }
  // An old file must not be taken for the result of a build that fails.
  for (const path of [flags.iidfile, flags['metadata-file']]) if (path !== '') rmSync(path, { force: true });
  const toStdout = outputs.some(({ dest }) => dest === '-');
  const cacheTo = flags['cache-to'].map(parseCacheTo);
  const { id, cache } = await runBuild(toStdout ? withoutStdout(context) : context, flags, place);
  const image: BuiltImage = { id, names: flags.tag };
  if (flags.iidfile !== '') writeFileSync(flags.iidfile, id);
  for (const output of outputs) await writeOutput(context, image, output);
  if (cache !== '') await putCaches(context, cacheTo, cache);
  const digest = pushes(flags, outputs) ? await push(context, flags) : undefined;
  if (flags['metadata-file'] !== '') writeMetadata(flags['metadata-file'], image, digest);
  if (flags.quiet && !toStdout) context.console.out(`${id}\n`);
}

/** What is said goes to stderr: stdout is for an archive. */
function withoutStdout(context: CommandContext): CommandContext {
  const { console } = context;
  return { ...context, console: { ...console, out: console.err } };
}

const pushes = (flags: BuildFlags, outputs: readonly BuildOutput[]): boolean =>
  flags.push || outputs.some((output) => output.push);

/** Sends the build and follows it. @returns the image's id, and of an image of the cache if one is to be exported */
async function runBuild(
  context: CommandContext,
  flags: BuildFlags,
  place: string,
): Promise<{ id: string; cache: string }> {
  const source = await openContext(place, flags.file);
  const view = openView(context, flags);
  let extras: SentExtras | undefined;
  try {
    view.begin();
    const from = flags['cache-from'].flatMap(parseCacheFrom);
    await takeCaches(context, from, (text) => context.console.err(`WARNING: ${text}\n`));
    extras = await sendExtras(context, flags, source, (bytes) => view.sent(bytes));
    if (extras.sent) view.ready();
    const body = extras.sent ? undefined : source.body;
    const upload = body && new Upload(body, view);
    const messages = context.client.messages<ProgressMessage>('POST', '/build', {
      query: buildQuery({
        flags,
        defaultArguments: defaultArguments(context),
        dockerfile: source.dockerfile,
        remote: source.remote,
        platform: flags.platform || (context.environment.DOCKER_DEFAULT_PLATFORM ?? ''),
        request: extras.request,
        events: view.wantsEvents,
      }),
      headers: { 'X-Registry-Config': await registryConfig(context), 'Content-Type': 'application/x-tar' },
      ...(upload === undefined ? {} : { body: flags.compress ? compressed(upload) : upload }),
    });
    let id = '';
    let cache = '';
    try {
      await view.follow(messages, (aux) => {
        const { ID, TareCache } = aux as { ID?: string; TareCache?: string };
        id = ID ?? id;
        cache = TareCache ?? cache;
      });
    } catch (error) {
      throw upload?.failure ?? error;
    }
    id = view.quietId() ?? id;
    if (id === '')
      throw new CommandFailure('the daemon gave no image ID: its log tells what became of the build');
    return { id, cache };
  } catch (error) {
    view.fail();
    throw error;
  } finally {
    extras?.close();
  }
}

/** With gzip, as `--compress` asks. */
async function* compressed(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { createGzip } = await import('node:zlib');
  const { Readable } = await import('node:stream');
  const source = Readable.from(body, { objectMode: false });
  const gzip = createGzip();
  source.on('error', (error) => gzip.destroy(error));
  yield* source.pipe(gzip) as AsyncIterable<Uint8Array>;
}

/** Pushes every name. @returns the digest of the last one */
async function push(context: CommandContext, flags: BuildFlags): Promise<string | undefined> {
  const console = flags.quiet ? { ...context.console, out: () => {} } : context.console;
  const terminal = showsLive(flags);
  let digest: string | undefined;
  for (const name of flags.tag) {
    const reference = withDefaultTag(parseReference(name));
    digest = (await pushImage(context, { reference, console, terminal })) ?? digest;
  }
  return digest;
}

/** The file of `--metadata-file`, with buildx's members. */
function writeMetadata(path: string, image: BuiltImage, digest: string | undefined): void {
  const names = image.names.map((name) => canonicalString(withDefaultTag(parseReference(name))));
  const metadata = {
    'containerimage.config.digest': image.id,
    ...(digest === undefined ? {} : { 'containerimage.digest': digest }),
    ...(names.length === 0 ? {} : { 'image.name': names.join(',') }),
  };
  writeFileSync(path, `${JSON.stringify(metadata, null, 2)}\n`);
}
