/** A volume driver behind Docker's plugin protocol v1: directories of the host, with a record of what it was asked. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export interface VolumePluginOptions {
  /** Parent of its volumes. */
  readonly root: string;
  /** Path of its socket; undefined: a port of 127.0.0.1. */
  readonly socket?: string;
  readonly implements?: readonly string[];
  readonly scope?: string;
}

interface Call {
  readonly Name?: string;
  readonly ID?: string;
  readonly Opts?: Record<string, string>;
}

interface Held {
  readonly options: Record<string, string>;
  readonly users: Set<string>;
}

export class VolumePlugin implements Disposable {
  /** `METHOD NAME` in the order of the calls; activation and questions left out. */
  readonly calls: string[] = [];
  readonly volumes = new Map<string, Held>();
  /** Words with which the next call of a method is refused, by method. */
  readonly refusals = new Map<string, string>();
  readonly #options: VolumePluginOptions;
  #server: Bun.Server<undefined>;

  constructor(options: VolumePluginOptions) {
    this.#options = options;
    mkdirSync(options.root, { recursive: true });
    this.#server = this.#listen();
  }

  get port(): number {
    return this.#server.port ?? 0;
  }

  #listen(): Bun.Server<undefined> {
    const { socket } = this.#options;
    if (socket !== undefined) rmSync(socket, { force: true });
    const fetch = async (request: Request) =>
      this.#answer(new URL(request.url).pathname.slice(1), (await request.json()) as Call);
    return socket === undefined
      ? Bun.serve({ hostname: '127.0.0.1', port: 0, fetch })
      : Bun.serve({ unix: socket, fetch });
  }

  /** Goes away; its volumes stay. */
  down(): void {
    this.#server.stop(true);
    if (this.#options.socket !== undefined) rmSync(this.#options.socket, { force: true });
  }

  /** Comes back at the same place. */
  up(): void {
    this.#server = this.#listen();
  }

  [Symbol.dispose](): void {
    this.down();
  }

  #answer(method: string, body: Call): Response {
    const verb = method.replace('VolumeDriver.', '');
    const refusal = this.refusals.get(verb);
    if (refusal !== undefined) {
      this.refusals.delete(verb);
      return Response.json({ Err: refusal }, { status: 500 });
    }
    if (['Create', 'Remove', 'Mount', 'Unmount'].includes(verb)) this.calls.push(`${verb} ${body.Name}`);
    return Response.json(this.#result(verb, body));
  }

  #result(verb: string, { Name = '', ID = '', Opts }: Call) {
    const held = this.volumes.get(Name);
    const path = join(this.#options.root, Name);
    const view = (name: string, { options, users }: Held) => ({
      Name: name,
      Mountpoint: users.size > 0 ? join(this.#options.root, name) : '',
      CreatedAt: '2026-01-02T03:04:05Z',
      Status: { options, users: users.size },
    });
    if (verb === 'Plugin.Activate') return { Implements: this.#options.implements ?? ['VolumeDriver'] };
    if (verb === 'Capabilities') return { Capabilities: { Scope: this.#options.scope ?? 'local' } };
    if (verb === 'List') return { Volumes: [...this.volumes].map(([name, one]) => view(name, one)) };
    if (verb === 'Create') {
      mkdirSync(path, { recursive: true });
      this.volumes.set(Name, { options: Opts ?? {}, users: new Set() });
      return { Err: '' };
    }
    if (held === undefined) return { Err: `no such volume here: ${Name}` };
    if (verb === 'Get') return { Volume: view(Name, held) };
    if (verb === 'Path') return { Mountpoint: path };
    if (verb === 'Mount') {
      held.users.add(ID);
      return { Mountpoint: path };
    }
    if (verb === 'Unmount') held.users.delete(ID);
    if (verb === 'Remove') {
      this.volumes.delete(Name);
      rmSync(path, { recursive: true, force: true });
    }
    return { Err: '' };
  }
}
