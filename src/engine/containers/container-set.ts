import { isKind, TareError } from '../../base/errors.ts';
import type { ContainerRow } from '../../store/tables/containers.ts';
import { isAlive } from './lifecycle.ts';
import type { Container, ContainerState } from './model.ts';

/** Where the rows are kept; store's ContainerTable, or a fake. */
export interface ContainerRows {
  insert(row: ContainerRow): void;
  update(row: ContainerRow): void;
  updateRunning(row: ContainerRow): void;
  delete(id: string): void;
  all(): ContainerRow[];
}

/**
 * All containers, in memory and, before any caller sees a change, in the database. Container objects are
 * immutable: a change makes a new one.
 */
export class ContainerSet {
  readonly #rows: ContainerRows;
  readonly #byId = new Map<string, Container>();
  readonly #idByName = new Map<string, string>();
  /** Names of containers that are being created, so that two creates cannot race for one. */
  readonly #reserved = new Map<string, string>();
  /** Ids whose row lags behind: the disk took no more. */
  readonly #unsaved = new Set<string>();
  #namesVersion = 0;

  constructor(rows: ContainerRows) {
    this.#rows = rows;
    for (const row of rows.all()) this.#index(readRow(row));
  }

  #index(container: Container): void {
    if (otherNames(this.#byId.get(container.id), container)) this.#namesVersion++;
    this.#byId.set(container.id, container);
    this.#idByName.set(container.name, container.id);
  }

  /** Another number after every change of what others find containers by; a health check's result is none. */
  get namesVersion(): number {
    return this.#namesVersion;
  }

  /** Holds `name` for `id` until it is added or released. Throws `conflict` in Docker's words. */
  reserveName(name: string, id: string): void {
    const owner = this.#idByName.get(name) ?? this.#reserved.get(name);
    if (owner !== undefined) {
      throw new TareError(
        'conflict',
        `Conflict. The container name "/${name}" is already in use by container "${owner}". You have to remove (or rename) that container to be able to reuse that name.`,
      );
    }
    this.#reserved.set(name, id);
  }

  releaseName(name: string): void {
    this.#reserved.delete(name);
  }

  /** True for a container that is there or is being created. */
  knows(id: string): boolean {
    return this.#byId.has(id) || [...this.#reserved.values()].includes(id);
  }

  hasName(name: string): boolean {
    return this.#idByName.has(name) || this.#reserved.has(name);
  }

  /** Adds a new container, whose name was reserved. */
  add(container: Container): void {
    this.#rows.insert(rowOf(container));
    this.#reserved.delete(container.name);
    this.#index(container);
  }

  /** Replaces fields of a container. Returns the new object. Throws `not-found` when it was removed meanwhile. */
  update(id: string, change: Partial<Omit<Container, 'id'>>): Container {
    const before = this.#byId.get(id);
    if (!before) throw noSuchContainer(id);
    const after: Container = { ...before, ...change };
    this.#save(after);
    if (before.name !== after.name) this.#idByName.delete(before.name);
    this.#reserved.delete(after.name);
    this.#index(after);
    return after;
  }

  updateState(id: string, change: Partial<ContainerState>): Container {
    const before = this.#byId.get(id);
    if (!before) throw noSuchContainer(id);
    return this.update(id, { state: { ...before.state, ...change } });
  }

  /**
   * Like update, for what has happened whether it can be written or not: a disk that is full, failing or read-only does
   * not keep it from being known. What could not be written is written with the next change that can.
   */
  record(id: string, change: Partial<Omit<Container, 'id'>>): Container {
    const before = this.#byId.get(id);
    if (!before) throw noSuchContainer(id);
    const after: Container = { ...before, ...change };
    this.#index(after);
    try {
      this.#save(after);
    } catch (error) {
      if (!isKind(error, 'exhausted', 'internal')) throw error;
      this.#unsaved.add(id);
    }
    return after;
  }

  /** The same for a part of the state. */
  note(id: string, change: Partial<ContainerState>): Container {
    return this.record(id, { state: { ...this.get(id).state, ...change } });
  }

  #save(container: Container): void {
    if (isAlive(container.state)) this.#rows.updateRunning(rowOf(container));
    else this.#rows.update(rowOf(container));
    this.#unsaved.delete(container.id);
    const [next] = this.#unsaved;
    const waiting = next === undefined ? undefined : this.#byId.get(next);
    if (waiting) this.#save(waiting);
  }

  remove(id: string): void {
    const container = this.#byId.get(id);
    if (!container) return;
    this.#rows.delete(id);
    this.#namesVersion++;
    this.#byId.delete(id);
    this.#idByName.delete(container.name);
  }

  byId(id: string): Container | undefined {
    return this.#byId.get(id);
  }

  /** Finds by full id, name (with or without slash) or unique id prefix, in this order, as dockerd does. */
  find(ref: string): Container | undefined {
    const exact = this.#byId.get(ref);
    if (exact) return exact;
    const named = this.#idByName.get(ref.startsWith('/') ? ref.slice(1) : ref);
    if (named !== undefined) return this.#byId.get(named);
    const slash = ref.lastIndexOf('/');
    if (slash > 0) return this.#linked(ref.slice(0, slash), ref.slice(slash + 1));
    if (!/^[0-9a-f]{1,64}$/.test(ref)) return undefined;
    let found: Container | undefined;
    for (const [id, container] of this.#byId) {
      if (!id.startsWith(ref)) continue;
      if (found) throw new TareError('invalid', `multiple IDs found with provided prefix: ${ref}`);
      found = container;
    }
    return found;
  }

  /** `PARENT/ALIAS`: the container that a legacy link of PARENT calls ALIAS. */
  #linked(parent: string, alias: string): Container | undefined {
    const link = this.find(parent)?.hostConfig.links.find((one) => one.endsWith(`:${alias}`));
    return link === undefined ? undefined : this.#byId.get(link.slice(0, link.indexOf(':')));
  }

  /** Like find, throws `not-found`. */
  get(ref: string): Container {
    const container = this.find(ref);
    if (!container) throw noSuchContainer(ref);
    return container;
  }

  /** Newest first. */
  list(): Container[] {
    // Two may have been made in one millisecond: the later one first.
    return [...this.#byId.values()].reverse().sort((a, b) => b.createdAt - a.createdAt);
  }
}

function noSuchContainer(ref: string): TareError {
  return new TareError('not-found', `No such container: ${ref.replace(/^\//, '')}`);
}

/** A container whose row is skipped would lose its files to the sweep at start: better not to start. */
function readRow(row: ContainerRow): Container {
  try {
    return JSON.parse(row.document) as Container;
  } catch (error) {
    throw new TareError(
      'corrupt',
      `the row of container ${row.name} (${row.id}) in the database is damaged; restore the database from a copy, or delete this row and the container is removed`,
      error,
    );
  }
}

function rowOf(container: Container): ContainerRow {
  return {
    id: container.id,
    name: container.name,
    createdAt: container.createdAt,
    document: JSON.stringify(container),
  };
}

function otherNames(before: Container | undefined, after: Container): boolean {
  return (
    !before ||
    before.name !== after.name ||
    before.config !== after.config ||
    before.endpoints !== after.endpoints ||
    isAlive(before.state) !== isAlive(after.state)
  );
}
