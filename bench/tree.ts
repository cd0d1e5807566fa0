/** A tree with Debian 13, for peers that are newer than this system's. Made once, kept in /var/cache. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { must } from '../test/support/command.ts';

const PACKAGES = [
  'docker.io',
  'docker-cli',
  'podman',
  'crun',
  'runc',
  'containerd',
  'iptables',
  'nftables',
  'iproute2',
  'netavark',
  'aardvark-dns',
  'ca-certificates',
];
/** Named for what is in it, so that another list makes another tree. */
const FOLDER = `/var/cache/tare-bench/trixie-${Bun.hash(PACKAGES.join()).toString(36)}`;

export interface Tree {
  /** Makes a mount namespace whose root is the tree, with `shared` (a folder) at the same path as outside. */
  open(shared: string): Promise<OpenTree>;
}

export interface OpenTree {
  /** Prefix of a command line that runs in it. All see the same mounts. */
  readonly prefix: readonly string[];
  close(): Promise<void>;
}

/** The tree, made by debootstrap when it is not there (some minutes). */
export async function newerDebian(say: (line: string) => void): Promise<Tree> {
  if (!existsSync(FOLDER)) {
    say('making a tree with Debian 13 (some minutes; kept in /var/cache/tare-bench)');
    const half = `${FOLDER}.half`;
    rmSync(half, { recursive: true, force: true });
    mkdirSync(half, { recursive: true });
    const argv = [
      'debootstrap',
      '--variant=minbase',
      `--include=${PACKAGES.join(',')}`,
      'trixie',
      half,
      ...(await mirror()),
    ];
    await must(argv, { timeout: 1_800_000 });
    renameSync(half, FOLDER);
  }
  return { open };
}

async function open(shared: string): Promise<OpenTree> {
  const holder = Bun.spawn(
    ['unshare', '--mount', '--propagation', 'slave', 'sh', '-ec', ENTER, 'sh', FOLDER, shared],
    { stdin: 'ignore', stdout: 'pipe', stderr: 'inherit' },
  );
  // It says so when all is mounted.
  const { done } = await holder.stdout.getReader().read();
  if (done) throw new Error('the tree with Debian 13 could not be entered');
  return {
    prefix: ['nsenter', '-t', String(holder.pid), '--mount', '--root', '--wd'],
    close: async () => {
      holder.kill('SIGKILL');
      await holder.exited;
    },
  };
}

/**
 * A bind mount makes the tree a mount point, without which no runtime inside could pivot its root. The script takes the tree and
 * the shared folder, and then holds the namespace.
 */
const ENTER = `tree=$1; shared=$2
mount --bind "$tree" "$tree"
mount --make-private "$tree"
for place in proc sys dev; do mount --rbind "/$place" "$tree/$place"; done
mount -t tmpfs tmpfs "$tree/run"
mkdir -p "$tree$shared"
mount --rbind "$shared" "$tree$shared"
mount --make-rshared "$tree"
exec chroot "$tree" sh -c 'echo ready; exec sleep infinity'`;

/** The package source that this system itself uses, if it names one for Debian. */
async function mirror(): Promise<string[]> {
  const policy = await must(['apt-cache', 'policy']).catch(() => '');
  const found = /\s(https?:\/\/\S+) (?:bookworm|trixie)\/main/.exec(policy);
  return found ? [found[1]!] : [];
}
