/** What a helper keeps for a server. An identity token has the user name `<token>`. */
export interface HelperEntry {
  readonly Username: string;
  readonly Secret: string;
}

const NOT_FOUND = 'credentials not found in native keychain';

/**
 * A program that keeps credentials, `docker-credential-NAME`, by docker's protocol: an action as its argument,
 * what it is about on stdin, JSON or an error's text on stdout.
 */
export class CredentialHelper {
  readonly program: string;
  readonly #path: string;

  /** @param path where programs are looked for, as `PATH` */
  constructor(name: string, path: string) {
    this.program = `docker-credential-${name}`;
    this.#path = path;
  }

  /** The entry of a server, undefined if there is none. @throws Error in docker's words */
  async get(server: string): Promise<HelperEntry | undefined> {
    const { ok, output, failure } = await this.#run('get', server);
    if (!ok && output.trim() === NOT_FOUND) return undefined;
    if (!ok) throw new Error(`error getting credentials - err: ${failure}, out: \`${output.trim()}\``);
    const entry = this.#parse(output) as Partial<HelperEntry> | null;
    return { Username: String(entry?.Username ?? ''), Secret: String(entry?.Secret ?? '') };
  }

  /** @throws Error in docker's words */
  async store(server: string, entry: HelperEntry): Promise<void> {
    const { ok, output, failure } = await this.#run('store', JSON.stringify({ ServerURL: server, ...entry }));
    if (!ok) throw new Error(`error storing credentials - err: ${failure}, out: \`${output.trim()}\``);
  }

  /** Forgets a server; one that is not known is no error. @throws Error in docker's words */
  async erase(server: string): Promise<void> {
    const { ok, output, failure } = await this.#run('erase', server);
    if (ok || output.trim() === NOT_FOUND) return;
    throw new Error(`error erasing credentials - err: ${failure}, out: \`${output.trim()}\``);
  }

  /** Servers with their users. @throws Error in docker's words */
  async list(): Promise<Record<string, string>> {
    const { ok, output, failure } = await this.#run('list', 'unused');
    if (!ok) throw new Error(`error listing credentials - err: ${failure}, out: \`${output.trim()}\``);
    return (this.#parse(output) as Record<string, string> | null) ?? {};
  }

  #parse(output: string): unknown {
    try {
      return JSON.parse(output);
    } catch {
      throw new Error(`${this.program} answered with something that is not JSON`);
    }
  }

  async #run(action: string, input: string): Promise<{ ok: boolean; output: string; failure: string }> {
    const program = Bun.which(this.program, { PATH: this.#path });
    if (program === null) {
      return {
        ok: false,
        output: '',
        failure: `exec: "${this.program}": executable file not found in $PATH`,
      };
    }
    const child = Bun.spawn([program, action], {
      stdin: new TextEncoder().encode(input),
      stdout: 'pipe',
      // A helper may ask for a passphrase there.
      stderr: 'inherit',
    });
    const output = await new Response(child.stdout).text();
    const code = await child.exited;
    return { ok: code === 0, output, failure: `exit status ${code}` };
  }
}
