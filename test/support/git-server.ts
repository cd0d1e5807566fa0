import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { must } from './command.ts';

/** A file's text, or a link's target. */
export type GitFiles = Readonly<
  Record<string, string | { readonly link: string } | { readonly run: string }>
>;

/** git's own smart HTTP server over repositories in a directory, and what is needed to fill them. */
export class GitServer implements AsyncDisposable {
  readonly place = mkdtempSync('/tmp/tare-git-');
  readonly #server: ReturnType<typeof Bun.serve>;
  /** Answers in place of git: for redirects. */
  answer: ((path: string) => Response | undefined) | undefined;

  constructor() {
    this.#server = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch: async (request) => {
        const { pathname, search } = new URL(request.url);
        return this.answer?.(pathname) ?? (await this.#backend(request, pathname, search.slice(1)));
      },
    });
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** A repository of one commit after another; returns their ids. `branch` is checked out at the end. */
  async repository(name: string, commits: ReadonlyArray<{ files: GitFiles; tag?: string; branch?: string }>) {
    const work = join(this.place, `${name}.work`);
    mkdirSync(work);
    const git = async (...args: string[]) =>
      (
        await must(['git', '-c', 'protocol.file.allow=always', ...args], { cwd: work, env: GIT_ENVIRONMENT })
      ).trim();
    await git('init', '--quiet', '--initial-branch=main');
    const ids: string[] = [];
    for (const { files, tag, branch } of commits) {
      if (branch !== undefined) await git('checkout', '--quiet', '-B', branch);
      for (const [path, content] of Object.entries(files)) {
        const at = join(work, path);
        mkdirSync(dirname(at), { recursive: true });
        rmSync(at, { force: true });
        if (typeof content === 'string') writeFileSync(at, content);
        else if ('link' in content) symlinkSync(content.link, at);
        else writeFileSync(at, content.run, { mode: 0o755 });
      }
      await git('add', '--all');
      await git('commit', '--quiet', '--allow-empty', '--message', 'x');
      ids.push(await git('rev-parse', 'HEAD'));
      if (tag !== undefined) await git('tag', '--annotate', '--message', tag, tag);
    }
    await must(['git', 'clone', '--quiet', '--bare', work, join(this.place, `${name}.git`)], {
      env: GIT_ENVIRONMENT,
    });
    return { ids, url: `${this.origin}/${name}.git`, work, git };
  }

  async #backend(request: Request, path: string, query: string): Promise<Response> {
    const child = Bun.spawn(['git', 'http-backend'], {
      env: {
        ...GIT_ENVIRONMENT,
        GIT_PROJECT_ROOT: this.place,
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: path,
        QUERY_STRING: query,
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: request.headers.get('content-type') ?? '',
        HTTP_CONTENT_ENCODING: request.headers.get('content-encoding') ?? '',
        GIT_PROTOCOL: request.headers.get('git-protocol') ?? '',
      },
      stdin: new Uint8Array(await request.arrayBuffer()),
      stdout: 'pipe',
      stderr: 'ignore',
    });
    const bytes = Buffer.from(await new Response(child.stdout).arrayBuffer());
    const end = bytes.indexOf('\r\n\r\n');
    const headers = new Headers();
    let status = 200;
    for (const line of bytes.subarray(0, end).toString().split('\r\n')) {
      const colon = line.indexOf(':');
      if (/^status:/i.test(line)) status = Number.parseInt(line.slice(colon + 1), 10);
      else headers.set(line.slice(0, colon), line.slice(colon + 1).trim());
    }
    return new Response(bytes.subarray(end + 4), { status, headers });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
    rmSync(this.place, { recursive: true, force: true });
  }
}

const GIT_ENVIRONMENT = {
  PATH: process.env.PATH ?? '/usr/bin:/bin',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@example.com',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@example.com',
  GIT_AUTHOR_DATE: '2020-01-02T03:04:05Z',
  GIT_COMMITTER_DATE: '2020-01-02T03:04:05Z',
  GIT_CONFIG_COUNT: '1',
  GIT_CONFIG_KEY_0: 'safe.directory',
  GIT_CONFIG_VALUE_0: '*',
};
