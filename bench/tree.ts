/** A tree with Debian 13, for peers that are newer than this system's. Made once, kept in /var/cache. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { must } from '../test/support/command.ts';

const FOLDER = '/var/cache/tare-bench/trixie';
const PACKAGES = [
  'docker.io',
  'docker-cli',
  'podman',
  'crun',
  'runc',
  'containerd',
  'iptables',
  'iproute2',
  'netavark',
  'aardvark-dns',
  'ca-certificates',
];

export interface Tree {
  /** Prefix of a command line that runs in the tree, with `shared` (a folder) at the same path as outside. */
  enter(shared: string): string[];
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
  return {
    enter: (shared) => [
      'unshare',
      '--mount',
      '--propagation',
      'slave',
      'sh',
      '-ec',
      ENTER,
      'sh',
      FOLDER,
      shared,
    ],
  };
}

/**
 * A mount namespace whose root is the tree. A bind mount makes it a mount point, without which no runtime inside could pivot its
 * root. The script takes the tree and the shared folder; what follows them is the command line.
 */
const ENTER = `tree=$1; shared=$2; shift 2
mount --bind "$tree" "$tree"
mount --make-private "$tree"
for place in proc sys dev; do mount --rbind "/$place" "$tree/$place"; done
mount -t tmpfs tmpfs "$tree/run"
mkdir -p "$tree$shared"
mount --rbind "$shared" "$tree$shared"
mount --make-rshared "$tree"
exec chroot "$tree" "$@"`;

/** The package source that this system itself uses, if it names one for Debian. */
async function mirror(): Promise<string[]> {
  const policy = await must(['apt-cache', 'policy']).catch(() => '');
  const found = /\s(https?:\/\/\S+) (?:bookworm|trixie)\/main/.exec(policy);
  return found ? [found[1]!] : [];
}
