import { rmSync, writeFileSync } from 'node:fs';
import { canonicalString, parseReference, withDefaultTag } from '../../oci/reference.ts';
import type { ProgressMessage } from '../../wire/errors.ts';
import type { CommandContext } from '../context.ts';
import { CommandFailure } from '../failure.ts';
import { showProgress } from '../progress/progress.ts';
import { pushImage } from '../progress/push.ts';
import { registryConfig } from '../registry-auth.ts';
import { stdoutIsTerminal } from '../terminal/terminal.ts';
import { openContext } from './context.ts';
import { defaultArguments } from './defaults.ts';
import { type BuildOutput, parseOutput } from './outputs.ts';
import { buildQuery } from './query.ts';
import { type BuildFlags, refuseUnsupported } from './refusals.ts';
import { type BuiltImage, writeOutput } from './results.ts';
import { showBuild } from './show-build.ts';
import { Upload } from './upload.ts';

/** Builds an image as a command line asks, shows how it goes, and puts the result where it is wanted. */
export async function build(context: CommandContext, given: BuildFlags, place: string): Promise<void> {
  refuseUnsupported(given);
  const outputs = given.output.map(parseOutput);
  const flags = { ...given, tag: [...given.tag, ...outputs.flatMap((output) => output.names)] };
  if (pushes(flags, outputs) && flags.tag.length === 0) {
    throw new CommandFailure('tag is needed when pushing to registry: give the image a name with --tag');
  }
  // An old file must not be taken for the result of a build that fails.
  for (const path of [flags.iidfile, flags['metadata-file']]) if (path !== '') rmSync(path, { force: true });
  const id = await runBuild(context, flags, place);
  const image: BuiltImage = { id, names: flags.tag };
  if (flags.iidfile !== '') writeFileSync(flags.iidfile, id);
  for (const output of outputs) await writeOutput(context, image, output);
  const digest = pushes(flags, outputs) ? await push(context, flags) : undefined;
  if (flags['metadata-file'] !== '') writeMetadata(flags['metadata-file'], image, digest);
}

const pushes = (flags: BuildFlags, outputs: readonly BuildOutput[]): boolean =>
  flags.push || outputs.some((output) => output.push);

/** True when progress is drawn and not just written. */
const showsLive = (flags: BuildFlags): boolean =>
  !flags.quiet && (flags.progress === 'tty' || (flags.progress === 'auto' && stdoutIsTerminal()));

/** Sends the build and follows it. @returns the image's id */
async function runBuild(context: CommandContext, flags: BuildFlags, place: string): Promise<string> {
  const source = await openContext(place, flags.file);
  // With --quiet only a failure shows what was said until then.
  let silenced = '';
  const keep = (data: string | Uint8Array): void => {
    silenced += data;
  };
  const console = flags.quiet ? { ...context.console, out: keep } : context.console;
  const terminal = showsLive(flags);
  const upload = source.body && new Upload({ body: source.body, console, terminal });
  const messages = context.client.messages<ProgressMessage>('POST', '/build', {
    query: buildQuery({
      flags,
      defaultArguments: defaultArguments(context),
      dockerfile: source.dockerfile,
      remote: source.remote,
      platform: flags.platform || (context.environment.DOCKER_DEFAULT_PLATFORM ?? ''),
    }),
    headers: { 'X-Registry-Config': await registryConfig(context), 'Content-Type': 'application/x-tar' },
    ...(upload === undefined ? {} : { body: flags.compress ? compressed(upload) : upload }),
  });
  let id = '';
  try {
    const onAux = (aux: unknown): void => {
      id = (aux as { ID?: string }).ID ?? id;
    };
    if (terminal) await showBuild(messages, console, onAux);
    else await showProgress(messages, console, false, onAux);
  } catch (error) {
    if (silenced !== '') context.console.err(silenced);
    throw upload?.failure ?? error;
  }
  if (flags.quiet) id = /sha256:[0-9a-f]{64}\s*$/.exec(silenced)?.[0].trim() ?? id;
  if (id === '')
    throw new CommandFailure('the daemon gave no image ID: its log tells what became of the build');
  if (flags.quiet) context.console.out(`${id}\n`);
  return id;
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
