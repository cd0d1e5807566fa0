import { TareError } from '../../../base/errors.ts';

/** Runs git in a directory and gives what it prints. Throws `invalid` with the end of what it complains of. */
export type Git = (directory: string, args: readonly string[]) => Promise<string>;

export interface GitProgramOptions {
  /** A directory without a git configuration. */
  readonly home: string;
  /** Path of an ssh agent's socket. */
  readonly agent: string | undefined;
  readonly signal: AbortSignal;
}

/** Counted before all others, and for submodules too: what a repository must not make git do. */
const SAFE = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.symlinks=true',
  'core.autocrlf=false',
  'protocol.allow=never',
  'protocol.http.allow=always',
  'protocol.https.allow=always',
  'protocol.git.allow=always',
  'protocol.ssh.allow=always',
  'protocol.ext.allow=never',
  'protocol.file.allow=never',
  'http.followRedirects=false',
  'submodule.recurse=false',
  'fetch.recurseSubmodules=false',
  'transfer.fsckObjects=true',
  'gc.auto=0',
  'maintenance.auto=false',
  'advice.detachedHead=false',
  'credential.helper=',
];
const STOP_WITHIN_MS = 3000;
/** Of standard error, in characters. */
const TOLD = 2000;

/** Throws `not-implemented` when there is no git on this machine. */
export function gitProgram({ home, agent, signal }: GitProgramOptions): Git {
  const program = Bun.which('git');
  if (program === null) {
    throw new TareError(
      'not-implemented',
      'git repositories need the program git, which is not on this machine: install the package git',
    );
  }
  const env = environment(home, agent);
  // What git starts is stopped and waited for with it: this process must not inherit it, since it leaves processes of
  // its own session to whoever started them. (A session of its own would do for git, but then the daemon takes it for
  // an orphan of a container.)
  const init = Bun.which('tini');
  const guard = init === null ? [] : [init, '-s', '-g', '--'];
  const settings = SAFE.flatMap((setting) => ['-c', setting]);
  return async (directory, args) => {
    const child = Bun.spawn([...guard, program, ...settings, ...args], {
      cwd: directory,
      env,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    });
    let last: Timer | undefined;
    const stop = (): void => {
      child.kill('SIGTERM');
      last ??= setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      const [output, complaint, code] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited,
      ]);
      if (signal.aborted) throw new TareError('cancelled', 'the build was stopped');
      if (code === 0) return output;
      throw new TareError('invalid', lastLines(complaint) || `git ${args[0]} ended with code ${code}`);
    } finally {
      signal.removeEventListener('abort', stop);
      clearTimeout(last);
    }
  };
}

function environment(home: string, agent: string | undefined): Record<string, string> {
  const hosts = `${home}/known_hosts`;
  return {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: home,
    XDG_CONFIG_HOME: home,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: '/bin/false',
    GIT_ALLOW_PROTOCOL: 'http:https:git:ssh',
    GIT_LFS_SKIP_SMUDGE: '1',
    GIT_SSH_COMMAND: `ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=${hosts}`,
    ...(agent !== undefined && { SSH_AUTH_SOCK: agent }),
  };
}

function lastLines(text: string): string {
  return text.trim().slice(-TOLD);
}
