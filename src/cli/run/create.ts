import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { parsePlatform } from '../../oci/platform.ts';
import type { ContainerCreateBody, ContainerCreateResponse } from '../../wire/containers.ts';
import { DaemonError } from '../client/client.ts';
import { containerPath } from '../commands/each.ts';
import type { CommandContext } from '../context.ts';
import { checkReference } from '../reference.ts';
import { addApiSocket } from './api-socket.ts';

export interface CreateOptions {
  readonly name: string;
  readonly platform: string;
  readonly pull: string;
  readonly quiet: boolean;
  readonly cidfile: string;
  readonly 'use-api-socket': boolean;
}

/** The file that gets the container's id: made first, so that a path that cannot be written fails early. */
class IdFile {
  readonly #path: string;
  readonly #fd: number | undefined;

  constructor(path: string) {
    this.#path = path;
    if (path === '') return;
    try {
      this.#fd = openSync(path, 'wx', 0o644);
    } catch (error) {
      if ((error as { code?: string }).code === 'EEXIST') {
        throw new Error(
          `container ID file found, make sure the other container isn't running or delete ${path}`,
        );
      }
      throw new Error(`failed to create the container ID file: ${(error as Error).message}`);
    }
  }

  write(id: string): void {
    if (this.#fd === undefined) return;
    writeSync(this.#fd, id);
    closeSync(this.#fd);
  }

  discard(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    unlinkSync(this.#path);
  }
}

function checkOptions(options: CreateOptions, image: string): void {
  const modes = ['always', 'missing', 'never', ''];
  if (!modes.includes(options.pull)) {
    throw new Error(`invalid pull option: '${options.pull}': must be one of "always", "missing" or "never"`);
  }
  if (options.platform !== '') {
    try {
      parsePlatform(options.platform);
    } catch (error) {
      throw new Error(`error parsing specified platform: ${(error as Error).message}`);
    }
  }
  if (!/^(sha256:)?[0-9a-f]{64}$/.test(image)) checkReference(image);
}

/** `busybox` → `busybox:latest`. */
function withTag(image: string): string {
  return /(:[^/]+|@[^/]+)$/.test(image) ? image : `${image}:latest`;
}

const isMissingImage = (error: unknown): boolean =>
  error instanceof DaemonError && error.status === 404 && /image/i.test(error.message);

async function pull(context: CommandContext, image: string, options: CreateOptions): Promise<void> {
  const { pullImage } = await import('../progress/pull.ts');
  const silent = { ...context.console, out: () => {} };
  // Progress goes to stderr: stdout belongs to the container.
  const console = options.quiet ? silent : { ...context.console, out: context.console.err };
  await pullImage(context, {
    image,
    platform: options.platform,
    console,
    terminal: process.stderr.isTTY === true,
  });
}

/**
 * Creates a container, pulling its image when that is missing.
 * @returns the container's id; warnings of the daemon were printed.
 * @throws Error or DaemonError; nothing is left behind then.
 */
export async function createContainer(
  context: CommandContext,
  body: ContainerCreateBody,
  options: CreateOptions,
): Promise<string> {
  const image = body.Image ?? '';
  checkOptions(options, image);
  const finish = options['use-api-socket'] ? await addApiSocket(context, body) : undefined;
  const idFile = new IdFile(options.cidfile);
  const create = () =>
    context.client.json<ContainerCreateResponse>('POST', '/containers/create', {
      query: { name: options.name || undefined, platform: options.platform || undefined },
      json: body,
    });
  try {
    if (options.pull === 'always') await pull(context, image, options);
    let created: ContainerCreateResponse;
    try {
      created = await create();
    } catch (error) {
      if (!isMissingImage(error) || (options.pull !== 'missing' && options.pull !== '')) throw error;
      if (!options.quiet) context.console.err(`Unable to find image '${withTag(image)}' locally\n`);
      await pull(context, image, options);
      created = await create();
    }
    await finish?.(created.Id).catch(async (error: unknown) => {
      await context.client.send('DELETE', containerPath(created.Id), { query: { v: true } });
      throw error;
    });
    for (const warning of created.Warnings ?? []) context.console.err(`WARNING: ${warning}\n`);
    idFile.write(created.Id);
    return created.Id;
  } catch (error) {
    idFile.discard();
    throw error;
  }
}
