import { lookup } from 'node:dns/promises';
import { isKind, messageOf, TareError } from '../../base/errors.ts';
import { isMountPoint, mount, unmount } from '../../kernel/mount.ts';
import { attachCopy } from '../../kernel/mount-tree.ts';
import { hostToResolve, type LocalMount, shownOptions, withAddress } from './local-options.ts';

/** Words of mount(8) that are propagation, for a second step. */
const PROPAGATION = /^(r?)(private|shared|slave|unbindable)$/;

/** File systems whose mount(2) returns at once; others may wait for a disk or a server, in a process of their own. */
const QUICK = new Set(['tmpfs', 'ramfs', 'overlay', 'proc', 'sysfs']);

/** Mounts what a volume's options ask for at `target`. Throws in dockerd's words. */
export async function mountLocal(asked: LocalMount, target: string): Promise<void> {
  let wanted = asked;
  const host = hostToResolve(asked);
  if (host !== undefined) {
    try {
      wanted = withAddress(asked, await addressOf(host));
    } catch (error) {
      throw new TareError(
        'unavailable',
        `error resolving passed in network volume address: lookup ${host}: ${messageOf(error)}`,
        error,
      );
    }
  }
  try {
    if (isBind(wanted)) mountBind(wanted, target);
    else if (QUICK.has(wanted.type)) mount(wanted.type, wanted.device, target, wanted.options);
    else await mountByProgram(wanted, target);
  } catch (error) {
    // Not `not-found`: clients take that for the image's.
    const kind = isKind(error, 'exhausted', 'not-implemented') ? error.kind : 'internal';
    const shown = shownOptions(wanted.options);
    throw new TareError(
      kind,
      `failed to mount local volume: mount ${wanted.device}:${target}${shown === '' ? '' : `, data: ${shown}`}: ${reasonOf(error)}`,
      error,
    );
  }
}

/** As dockerd's resolver: an IPv4 address where there is one; servers' lists of clients often have no other. */
async function addressOf(host: string): Promise<string> {
  const all = await lookup(host, { all: true });
  return (all.find(({ family }) => family === 4) ?? all[0])?.address ?? host;
}

function isBind({ type, options }: LocalMount): boolean {
  return type === 'bind' || options.includes('bind') || options.includes('rbind');
}

/** `ro` of a bind is ignored by mount(2) in the first step; here it is one step. */
function mountBind({ device, options }: LocalMount, target: string): void {
  attachCopy(device, target, {
    recursive: options.includes('rbind'),
    readOnly: options.includes('ro'),
    isolated: options.some((option) => PROPAGATION.exec(option)?.[2] === 'private'),
  });
}

async function mountByProgram({ type, device, options }: LocalMount, target: string): Promise<void> {
  // mount(8) would take `nofoo` for "anything but foo", and a list for a choice.
  if (!/^(?!no)[\w.-]+$/.test(type)) throw new TareError('internal', 'no such device');
  // `-i`: no helper of the file system's, as dockerd, whose options are the kernel's own.
  const words = options.length > 0 ? ['-o', options.join(',')] : [];
  const child = Bun.spawn(['mount', '-i', '-t', type, ...words, '--', device, target], {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
    env: { ...process.env, LC_ALL: 'C' },
  });
  const [code, errors] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  if (code === 0) return;
  const reason = /: ([^:]+)\.?$/.exec(errors.trim().split('\n')[0] ?? '')?.[1] ?? errors.trim();
  throw new TareError(/unknown filesystem type/.test(errors) ? 'not-implemented' : 'internal', reason);
}

/** Takes a volume's mount away; waits for a server's last answer in a process of its own. */
export async function unmountLocal({ type, options, device }: LocalMount, target: string): Promise<void> {
  if (!isBind({ type, options, device }) && !QUICK.has(type)) {
    await Bun.spawn(['umount', '-i', '--', target], { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' })
      .exited;
  }
  // Whatever is left of it, lazily.
  for (let times = 0; times < 100 && isMountPoint(target); times++) unmount(target);
}

/** The kernel's reason in its own words. */
function reasonOf(error: unknown): string {
  const text = messageOf(error);
  return REASONS.find(([code]) => text.endsWith(code))?.[1] ?? text;
}

const REASONS: ReadonlyArray<readonly [string, string]> = [
  ['ENOENT', 'no such file or directory'],
  ['EINVAL', 'invalid argument'],
  ['ENODEV', 'no such device'],
  ['ENOTDIR', 'not a directory'],
  ['ENOTBLK', 'block device required'],
  ['EPERM', 'operation not permitted'],
  ['EACCES', 'permission denied'],
  ['EBUSY', 'device or resource busy'],
];
