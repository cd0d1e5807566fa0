/** Builders that are not ours, each with a store of its own. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { dockerPlugin } from '../../scripts/images/docker-plugin.ts';
import { must, run } from './command.ts';
import { Dockerd } from './dockerd.ts';

/** Builds a directory's Dockerfile and gives the archive of the image. */
export interface PeerBuilder extends AsyncDisposable {
  readonly name: string;
  /** A step that changes files makes a layer. */
  readonly layersBySteps: boolean;
  /** Takes an image from an archive in docker's form. */
  load(archive: string): Promise<void>;
  build(directory: string, archive: string, args: readonly string[]): Promise<void>;
}

/** Milliseconds; a bound against hangs. */
const PATIENCE = 120_000;

/** dockerd 20.10's BuildKit, driven by Debian 13's docker-buildx. */
export async function buildKitOfDockerd(): Promise<PeerBuilder> {
  const plugin = await dockerPlugin('docker-buildx');
  const dockerd = await Dockerd.start();
  const plugins = join(dockerd.root, 'client', 'cli-plugins');
  mkdirSync(plugins, { recursive: true });
  symlinkSync(plugin, join(plugins, 'docker-buildx'));
  return {
    name: 'BuildKit',
    layersBySteps: true,
    async load(archive) {
      await dockerd.ok(['load', '-q', '-i', archive], { timeout: PATIENCE });
    },
    async build(directory, archive, args) {
      await dockerd.ok(['buildx', 'build', '-q', '-t', 'peer:built', ...args, directory], {
        timeout: PATIENCE,
      });
      await dockerd.ok(['save', '-o', archive, 'peer:built'], { timeout: PATIENCE });
    },
    [Symbol.asyncDispose]: () => dockerd.stop(),
  };
}

/** Debian's buildah, without containers: RUN in a chroot. */
export async function buildah(): Promise<PeerBuilder> {
  const root = mkdtempSync('/var/tmp/tare-buildah-');
  const place = (name: string): string => join(root, name);
  // Overlay where the file system takes it: vfs copies a root for each step.
  const tried = ['--root', place('tried'), '--runroot', place('tried-run'), '--storage-driver', 'overlay'];
  const { code } = await run(['buildah', ...tried, 'info'], { timeout: PATIENCE });
  const driver = code === 0 ? 'overlay' : 'vfs';
  const program = ['buildah', '--root', place('data'), '--runroot', place('run'), '--storage-driver', driver];
  const env = { BUILDAH_ISOLATION: 'chroot', TMPDIR: root, HOME: root, XDG_RUNTIME_DIR: root };
  const ok = (...args: string[]): Promise<string> => must([...program, ...args], { env, timeout: PATIENCE });
  return {
    name: 'buildah',
    layersBySteps: false,
    async load(archive) {
      await ok('pull', '--quiet', `docker-archive:${archive}`);
    },
    async build(directory, archive, args) {
      const options = ['--quiet', '--format', 'docker', '--pull-never', '-t', 'peer:built'];
      await ok('build', ...options, ...args, directory);
      await run(['rm', '-f', archive]);
      await ok('push', '--quiet', 'peer:built', `docker-archive:${archive}:peer:built`);
    },
    async [Symbol.asyncDispose]() {
      await run([...program, 'rmi', '--all', '--force'], { env, timeout: PATIENCE });
      rmSync(root, { recursive: true, force: true });
    },
  };
}
