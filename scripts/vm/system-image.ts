/**
 * The system that `./check --vm` boots: Debian with its cloud kernel and systemd, on an ext4 with project quotas,
 * with the packages that the engine needs and nothing of the engine. It is made once per release and kept in
 * the cache.
 *
 * `bun scripts/vm/system-image.ts [12|13]` prints the folder with `disk.img`, `vmlinuz` and `initrd.img`.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { must } from '../../test/support/command.ts';
import { readAptSettings } from '../images/apt-settings.ts';
import { cached } from '../images/cache.ts';
import { debianTar } from '../images/debian-image.ts';
import { type Release, releaseOf } from './release.ts';

/** Counts up when the recipe below changes. */
const VERSION = 4;
/** Milliseconds; a bound against hangs. */
const PATIENCE = 900_000;
/** Of the file, which has holes where nothing is. */
const DISK_SIZE = '8G';

/** The kernel may find the two disks in either order. */
export const SYSTEM_LABEL = 'tare-system';
export const PAYLOAD_LABEL = 'tare-payload';

/** A system with services, and what the tests in it ask for. */
const SYSTEM = [
  ...[
    'systemd',
    'systemd-sysv',
    'dbus',
    'udev',
    'kmod',
    'initramfs-tools',
    'zstd',
    'linux-image-cloud-amd64',
  ],
  ...['nfs-kernel-server', 'nfs-common', 'quota', 'e2fsprogs', 'util-linux', 'python3-minimal'],
];

export interface SystemImage {
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
}

/** The image, made at the first call, which takes some two minutes. Needs root. */
export async function systemImage(release: Release): Promise<SystemImage> {
  const settings = await readAptSettings(release.suite);
  const packages = [...SYSTEM, ...enginePackages()];
  const key = JSON.stringify([VERSION, settings, packages, GUEST_FILES]);
  const folder = await cached(`vm-${release.suite}`, key, (target, work) =>
    makeImage(release, packages, target, work),
  );
  const at = (name: string) => join(folder, name);
  return { disk: at('disk.img'), kernel: at('vmlinuz'), initrd: at('initrd.img') };
}

/** What the engine needs: the group `run` of packages.txt, first alternatives. */
function enginePackages(): string[] {
  const text = readFileSync(resolve(import.meta.dir, '../packages.txt'), 'utf8');
  return text.split('\n').flatMap((line) => {
    const [name = '', group] = line.split(/\s+/);
    return group === 'run' ? [name.split('|')[0]!] : [];
  });
}

/** Files of the system, by path. The tests come on a second disk, which has their start. */
const GUEST_FILES: Readonly<Record<string, string>> = {
  'etc/hostname': 'tarevm\n',
  'etc/hosts': '127.0.0.1 localhost tarevm\n::1 localhost\n',
  'etc/fstab': `LABEL=${SYSTEM_LABEL} / ext4 defaults,prjquota 0 0\nLABEL=${PAYLOAD_LABEL} /payload ext4 defaults 0 0\n`,
  'etc/systemd/system/tare-vm.service': `[Unit]
Description=The tests of the virtual machine
After=network.target local-fs.target
RequiresMountsFor=/payload

[Service]
Type=exec
ExecStart=/bin/bash /payload/start
StandardInput=null
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS1
Environment=HOME=/root
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
`,
  'etc/systemd/journald.conf.d/vm.conf': '[Journal]\nStorage=persistent\nSystemMaxUse=64M\n',
};

/** Only what a disk and its file system need: the kernel unpacks it under emulation. */
const INITRAMFS: Readonly<Record<string, string>> = {
  'etc/initramfs-tools/conf.d/vm': 'MODULES=list\nCOMPRESS=zstd\nRESUME=none\n',
  'etc/initramfs-tools/modules': 'virtio_pci\nvirtio_blk\next4\nquota_v2\n',
};

/** Nothing but the tests uses the processor's time. */
const QUIET_UNITS = [
  ...[
    'apt-daily.timer',
    'apt-daily-upgrade.timer',
    'dpkg-db-backup.timer',
    'e2scrub_all.timer',
    'fstrim.timer',
  ],
  ...[
    'e2scrub_reap.service',
    'getty@tty1.service',
    'serial-getty@ttyS0.service',
    'serial-getty@ttyS1.service',
  ],
  ...['nfs-blkmap.service', 'rpc-statd-notify.service', 'systemd-tmpfiles-clean.timer'],
  ...['systemd-logind.service', 'sys-kernel-debug.mount', 'sys-kernel-tracing.mount', 'dev-hugepages.mount'],
];

async function makeImage(
  release: Release,
  packages: readonly string[],
  target: string,
  work: string,
): Promise<void> {
  const root = join(work, 'root');
  mkdirSync(root);
  await must(
    ['tar', '-I', 'zstd', '--xattrs', '--numeric-owner', '-xpf', await debianTar(release.suite), '-C', root],
    {
      timeout: PATIENCE,
    },
  );
  writeAll(root, INITRAMFS);
  copyFileSync('/etc/resolv.conf', join(root, 'etc/resolv.conf'));
  await inside(root, [
    'export DEBIAN_FRONTEND=noninteractive',
    'apt-get update -q',
    `apt-get install -y -q --no-install-recommends ${packages.join(' ')}`,
    'apt-get clean',
    // Started by the test that needs it.
    'systemctl disable nfs-server.service',
    `systemctl mask ${QUIET_UNITS.join(' ')}`,
  ]);
  writeAll(root, GUEST_FILES);
  await inside(root, ['systemctl enable tare-vm.service']);
  for (const name of ['usr/sbin/policy-rc.d', 'etc/resolv.conf', 'var/lib/apt/lists', 'etc/machine-id']) {
    rmSync(join(root, name), { recursive: true, force: true });
  }
  writeAll(root, { 'etc/resolv.conf': '', 'etc/machine-id': `${'7a'.repeat(16)}\n` });
  mkdirSync(join(root, 'payload'));
  mkdirSync(target);
  copyFileSync(join(root, 'boot', bootFile(root, 'vmlinuz-')), join(target, 'vmlinuz'));
  copyFileSync(join(root, 'boot', bootFile(root, 'initrd.img-')), join(target, 'initrd.img'));
  await makeDisk(root, join(target, 'disk.img'), DISK_SIZE, SYSTEM_LABEL, [
    '-O',
    'quota,project',
    '-E',
    'quotatype=prjquota',
  ]);
}

/** An ext4 of `folder`'s content in a file. */
export async function makeDisk(
  folder: string,
  file: string,
  size: string,
  label: string,
  options: readonly string[] = [],
): Promise<void> {
  await must(['truncate', '-s', size, file]);
  await must(['mkfs.ext4', '-q', '-F', '-m', '0', '-L', label, ...options, '-d', folder, file], {
    timeout: PATIENCE,
  });
}

function writeAll(root: string, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}

/** Runs shell lines in `root`. What they need mounted goes with the mount namespace, however it ends. */
async function inside(root: string, lines: readonly string[]): Promise<void> {
  const script = [
    'set -e',
    'mount --rbind /dev "$1/dev"',
    'mount -t proc proc "$1/proc"',
    'mount -t sysfs -o ro sysfs "$1/sys"',
    'exec chroot "$1" /bin/sh -ec "$2"',
  ];
  const argv = [
    'unshare',
    '--mount',
    '--propagation',
    'slave',
    '--',
    'sh',
    '-c',
    script.join('\n'),
    'sh',
    root,
  ];
  await must([...argv, lines.join('\n')], { timeout: PATIENCE });
}

function bootFile(root: string, prefix: string): string {
  const [found] = readdirSync(join(root, 'boot')).filter((name) => name.startsWith(prefix));
  if (found === undefined) throw new Error(`the system has no /boot/${prefix}*`);
  return found;
}

if (import.meta.main) console.log(await systemImage(releaseOf(process.argv[2] ?? '12')));
