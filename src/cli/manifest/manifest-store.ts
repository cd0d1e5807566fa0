import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalString, type Reference } from '../../oci/reference.ts';
import { CommandFailure } from '../failure.ts';
import type { StoredManifest } from './stored-manifest.ts';

/**
 * Lists of manifests that are being put together: a folder for each list below `manifests` in docker's
 * configuration folder, and in it a file for each image. Format and names are those of docker's CLI.
 */
export class ManifestStore {
  readonly #root: string;

  /** @param configDir `~/.docker` */
  constructor(configDir: string) {
    this.#root = join(configDir, 'manifests');
  }

  /** The images of a list, in the order of their names; undefined if there is no such list. */
  list(list: Reference): StoredManifest[] | undefined {
    let names: string[];
    try {
      names = readdirSync(this.#folder(list)).sort();
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    return names.map((name) => read(join(this.#folder(list), name)));
  }

  /** One image of a list. */
  find(list: Reference, image: Reference): StoredManifest | undefined {
    try {
      return read(this.#file(list, image));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Writes an image of a list in one step. */
  save(list: Reference, image: Reference, manifest: StoredManifest): void {
    mkdirSync(this.#folder(list), { recursive: true });
    // Beside the lists: what a crash leaves there is no image of one.
    const partial = join(this.#root, `.${process.pid}`);
    writeFileSync(partial, JSON.stringify(manifest), { mode: 0o644 });
    renameSync(partial, this.#file(list, image));
  }

  remove(list: Reference): void {
    rmSync(this.#folder(list), { recursive: true, force: true });
  }

  #folder(list: Reference): string {
    return join(this.#root, fileName(list));
  }

  #file(list: Reference, image: Reference): string {
    return join(this.#folder(list), fileName(image));
  }
}

function fileName(ref: Reference): string {
  return canonicalString(ref).replaceAll(':', '-').replaceAll('/', '_');
}

function read(path: string): StoredManifest {
  const text = readFileSync(path, 'utf8');
  try {
    const manifest = JSON.parse(text) as Partial<StoredManifest>;
    if (manifest.Ref !== undefined && manifest.Descriptor !== undefined && manifest.Raw !== undefined) {
      return manifest as StoredManifest;
    }
  } catch {
    // Told below.
  }
  throw new CommandFailure(`${path} is damaged: remove its folder and create the list again`);
}

function isMissing(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'ENOENT';
}
