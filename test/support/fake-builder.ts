/** A daemon that builds nothing: it keeps the requests of clients and answers as it is told. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ProgressMessage } from '../../src/wire/errors.ts';

/** A request as it came. */
export interface FakeBuild {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export const FAKE_ID = `sha256:${'a'.repeat(64)}`;

export class FakeBuilder implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'tare-fake-builder-'));
  readonly builds: FakeBuild[] = [];
  /** Requests to other endpoints. */
  readonly others: FakeBuild[] = [];
  /** What a build says. */
  messages: ProgressMessage[] = [
    { stream: 'Step 1/1 : FROM scratch\n' },
    { stream: ' ---> aaaaaaaaaaaa\n' },
    { aux: { ID: FAKE_ID } },
    { stream: 'Successfully built aaaaaaaaaaaa\n' },
  ];
  /** Answers of other endpoints by method and path without the version; an empty object for the rest. */
  readonly answers = new Map<string, unknown>();
  readonly #server: ReturnType<typeof Bun.serve>;

  constructor() {
    this.#server = Bun.serve({ unix: join(this.folder, 's'), fetch: (request) => this.#answer(request) });
  }

  get address(): string {
    return `unix://${this.folder}/s`;
  }

  async #answer(request: Request): Promise<Response> {
    const headers = { 'Api-Version': '1.51', Ostype: 'linux' };
    const url = new URL(request.url);
    const path = url.pathname.replace(/^\/v[\d.]+/, '');
    if (path === '/_ping') return new Response('OK', { headers });
    const body = new Uint8Array(await request.arrayBuffer());
    const seen = { path, query: url.searchParams, headers: request.headers, body };
    if (path === '/build') {
      this.builds.push(seen);
      return new Response(this.messages.map((message) => `${JSON.stringify(message)}\r\n`).join(''), {
        headers,
      });
    }
    this.others.push(seen);
    const answer = this.answers.get(`${request.method} ${path}`) ?? {};
    if (answer instanceof Uint8Array) return new Response(new Uint8Array(answer), { headers });
    return Response.json(answer, { headers });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Starts one. */
export function startFakeBuilder(): FakeBuilder {
  return new FakeBuilder();
}
