import { joinPaths, splitPathEntry } from '../../../base/go-paths.ts';
import { type ContainerPathStat, GoMode, hasGoMode, PATH_STAT_HEADER } from '../../../wire/archive.ts';
import { defineCommand } from '../../command.ts';
import type { CommandContext } from '../../context.ts';
import { type CopyEnd, planCopy, renameMember, splitCopyArgument } from '../../copy/copy-rules.ts';
import { absoluteLocal, checkLocalTarget, localSource, localTarget, rebased } from '../../copy/local-ends.ts';
import { CommandFailure } from '../../failure.ts';
import { flag, optional } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';
import { humanSize } from '../../format/size.ts';
import { stdinBody } from '../archive-files.ts';
import { containerPath } from '../each.ts';

interface Copy {
  readonly container: string;
  readonly source: string;
  readonly target: string;
  readonly followLink: boolean;
  readonly keepOwner: boolean;
  readonly quiet: boolean;
}

export const command = defineCommand({
  name: 'cp',
  summary: 'Copy files/folders between a container and the local filesystem',
  description:
    'Copy files/folders between a container and the local filesystem\n\n' +
    "Use '-' as the source to read a tar archive from stdin\n" +
    'and extract it to a directory destination in a container.\n' +
    "Use '-' as the destination to stream a tar archive of a\n" +
    'container source to stdout.',
  usage: '[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\ttare cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH',
  args: { min: 2, max: 2 },
  completes: 'container',
  flags: {
    archive: flag(toggle, { short: 'a', help: 'Archive mode (copy all uid/gid information)' }),
    'follow-link': flag(toggle, { short: 'L', help: 'Always follow symbol link in SRC_PATH' }),
    quiet: flag(optional(toggle), {
      short: 'q',
      help: 'Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached',
    }),
  },
  async run(context, flags, args) {
    const [from = '', to = ''] = args;
    if (from === '') throw new CommandFailure('source can not be empty');
    if (to === '') throw new CommandFailure('destination can not be empty');
    const source = splitCopyArgument(from);
    const target = splitCopyArgument(to);
    const copy: Copy = {
      container: source.container || target.container,
      source: source.path,
      target: target.path,
      followLink: flags['follow-link'],
      keepOwner: flags.archive,
      quiet: flags.quiet ?? !process.stdout.isTTY,
    };
    if (source.container !== '' && target.container !== '') {
      throw new CommandFailure('copying between containers is not supported');
    }
    if (source.container !== '') await copyOut(context, copy);
    else if (target.container !== '') await copyIn(context, copy);
    else throw new CommandFailure('must specify at least one container source');
    return 0;
  },
});

const archivePath = (container: string): string => containerPath(container, '/archive');

function readStat(headers: ReadonlyMap<string, string>): ContainerPathStat {
  const encoded = headers.get(PATH_STAT_HEADER.toLowerCase()) ?? '';
  // Written by the daemon as wire/archive.ts has it.
  return JSON.parse(Buffer.from(encoded, 'base64').toString('utf8')) as ContainerPathStat;
}

/** What is at a path in a container; undefined when nothing is, or nothing can be said. */
async function statInside(
  context: CommandContext,
  container: string,
  path: string,
): Promise<ContainerPathStat | undefined> {
  try {
    const answer = await context.client.request('HEAD', archivePath(container), { query: { path } });
    answer.stream.close();
    return readStat(answer.headers);
  } catch {
    // As docker: what follows tells the reason, with more words than an answer without a body.
    return undefined;
  }
}

const isLink = (stat: ContainerPathStat): boolean => hasGoMode(stat.mode, GoMode.LINK);
const isDirectory = (stat: ContainerPathStat): boolean => hasGoMode(stat.mode, GoMode.DIRECTORY);

/** Where a link in a container leads, seen from the link's directory. */
function linkTarget(path: string, target: string): string {
  return target.startsWith('/') ? target : joinPaths(splitPathEntry(path).directory, target);
}

async function copyOut(context: CommandContext, copy: Copy): Promise<void> {
  const { container, quiet } = copy;
  const toStdout = copy.target === '-';
  const target = toStdout ? '-' : absoluteLocal(copy.target);
  if (!toStdout) checkLocalTarget(target);
  let path = copy.source;
  let rebaseName = '';
  if (copy.followLink) {
    const stat = await statInside(context, container, path);
    if (stat !== undefined && isLink(stat)) {
      const followed = rebased(path, linkTarget(path, stat.linkTarget));
      path = followed.resolved;
      rebaseName = followed.rebaseName;
    }
  }
  const answer = await context.client.request('GET', archivePath(container), { query: { path } });
  if (toStdout) {
    for await (const piece of answer.body) context.console.out(piece);
    return;
  }
  const { base } = splitPathEntry(path);
  const source: CopyEnd = { path, exists: true, isDirectory: isDirectory(readStat(answer.headers)) };
  const plan = planCopy(rebaseName === '' ? source : { ...source, rebaseName }, localTarget(target));
  const count = new Count(answer.body);
  const { unpackLocal } = await import('../../../archive/rooted/local-copy.ts');
  await unpackLocal(plan.directory, count, (name) => {
    const called = rebaseName === '' ? name : renameMember(name, { from: base, to: rebaseName });
    return renameMember(called, plan.rename);
  });
  if (!quiet) context.console.err(summary(count.bytes, target));
}

async function copyIn(context: CommandContext, copy: Copy): Promise<void> {
  const { container, quiet } = copy;
  const target = await targetInside(context, copy);
  let directory = target.path;
  let count: Count;
  if (copy.source === '-') {
    if (!target.isDirectory) {
      throw new CommandFailure(`destination "${container}:${copy.target}" must be a directory`);
    }
    count = new Count(stdinBody());
  } else {
    const source = localSource(absoluteLocal(copy.source), copy.followLink);
    const plan = planCopy(source, target);
    directory = plan.directory;
    const { packLocal } = await import('../../../archive/rooted/local-copy.ts');
    const name = plan.rename?.to ?? source.rebaseName ?? splitPathEntry(source.path).base;
    count = new Count(packLocal(source.path, name));
  }
  await context.client.request('PUT', archivePath(container), {
    query: { path: directory, noOverwriteDirNonDir: 'true', copyUIDGID: copy.keepOwner ? 'true' : undefined },
    headers: { 'Content-Type': 'application/x-tar' },
    body: count,
  });
  if (!quiet) context.console.err(summary(count.bytes, `${container}:${target.path}`));
}

/** The target in a container; a link there is followed. */
async function targetInside(context: CommandContext, copy: Copy): Promise<CopyEnd> {
  const { container, target } = copy;
  let path = target;
  let stat = await statInside(context, container, path);
  if (stat !== undefined && isLink(stat)) {
    path = linkTarget(path, stat.linkTarget);
    stat = await statInside(context, container, path);
  }
  if (stat === undefined) return { path, exists: false, isDirectory: false };
  if (hasGoMode(stat.mode, GoMode.DEVICE)) {
    throw new CommandFailure(
      `destination "${container}:${target}" must be a directory or a regular file: got a device`,
    );
  }
  return { path, exists: true, isDirectory: isDirectory(stat) };
}

function summary(bytes: number, target: string): string {
  return `Successfully copied ${humanSize(bytes, 3)} to ${target}\n`;
}

/** Counts the bytes that go through. */
class Count implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>;
  bytes = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for await (const piece of this.#source) {
      this.bytes += piece.length;
      yield piece;
    }
  }
}
