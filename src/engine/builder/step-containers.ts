import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isKind, messageOf } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import type { ContainerService } from '../containers/containers.ts';
import type { CreateContainer } from '../containers/model.ts';

type Service = Pick<ContainerService, 'create' | 'attach' | 'start' | 'wait' | 'remove' | 'kill'>;

/**
 * The containers of a build's steps. Each has a name that is written down before it is made and forgotten when it is
 * gone: so the next daemon finds what a killed one left, and takes away nothing that is somebody else's.
 */
export class StepContainers implements Service {
  readonly #service: Service;
  readonly #directory: string;
  readonly #names = new Map<string, string>();

  /** `directory`: of its own; one file for each container. */
  constructor(service: Service, directory: string) {
    this.#service = service;
    this.#directory = directory;
  }

  async create(request: CreateContainer): ReturnType<Service['create']> {
    const name = `build-${newId().slice(0, 16)}`;
    await writeFile(join(this.#directory, name), '');
    try {
      const made = await this.#service.create({ ...request, name });
      this.#names.set(made.id, name);
      return made;
    } catch (error) {
      await this.#forget(name);
      throw error;
    }
  }

  async remove(...[id, options]: Parameters<Service['remove']>): Promise<void> {
    await this.#service.remove(id, options);
    const name = this.#names.get(id);
    this.#names.delete(id);
    if (name !== undefined) await this.#forget(name);
  }

  attach: Service['attach'] = (...request) => this.#service.attach(...request);
  start: Service['start'] = (...request) => this.#service.start(...request);
  wait: Service['wait'] = (...request) => this.#service.wait(...request);
  kill: Service['kill'] = (...request) => this.#service.kill(...request);

  /** Takes away what an earlier daemon left; containers must be known again. What cannot be removed stays written down. */
  async sweep(log: Logger): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#directory)) {
      try {
        await this.#service.remove(name, { force: true, volumes: true, link: false });
      } catch (error) {
        if (!isKind(error, 'not-found')) {
          log.warn('removing the container of a build', { container: name, error: messageOf(error) });
          continue;
        }
      }
      await this.#forget(name);
    }
  }

  #forget(name: string): Promise<void> {
    return rm(join(this.#directory, name), { force: true });
  }
}
