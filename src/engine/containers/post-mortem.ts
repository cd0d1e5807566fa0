import type { ProcessExit } from '../../runtime/runtime.ts';
import type { LogOptions, LogRecord } from './containers.ts';
import type { Autopsy, OomKill } from './death.ts';
import type { Container } from './model.ts';

/** What finding out about an end takes. */
export interface PostMortemParts {
  readonly readLog: (container: Container, options: LogOptions) => AsyncIterable<readonly LogRecord[]>;
  /** The kernel's messages, oldest first. */
  readonly kernelLog: () => readonly string[];
  /** This boot's id. */
  readonly boot: string;
}

/** Lines of output that are kept. */
const LINES = 10;
/** Longer ones are cut. Characters. */
const LINE_LENGTH = 256;

/** Gathers what can be known about an end right after it. */
export class PostMortem {
  readonly #parts: PostMortemParts;

  constructor(parts: PostMortemParts) {
    this.#parts = parts;
  }

  /** Never rejects. `brief`: the container is about to be removed, nobody will ask for its output. */
  async examine(container: Container, exit: ProcessExit, brief: boolean): Promise<Autopsy> {
    const { exitCode, exitCodeKnown, oomKilled, finishedAt } = exit;
    const { boot } = container.state;
    return {
      exitCode,
      exitCodeKnown,
      oomKilled,
      finishedAt,
      rebooted: boot !== undefined && boot !== this.#parts.boot,
      oom: oomKilled ? findOomKill(this.#parts.kernelLog(), container) : undefined,
      log: brief ? [] : await this.#lastLines(container),
    };
  }

  async #lastLines(container: Container): Promise<string[]> {
    if (!LOCAL_LOGS.includes(container.hostConfig.logConfig.type)) return [];
    const lines: string[] = [];
    const { signal } = new AbortController();
    const options = { stdout: true, stderr: true, follow: false, since: 0n, until: 0n, tail: LINES, signal };
    try {
      for await (const records of this.#parts.readLog(container, options)) {
        for (const { data } of records) lines.push(lineOf(data));
      }
    } catch {
      // A log that cannot be read says nothing.
    }
    return lines.slice(-LINES);
  }
}

function lineOf(data: Uint8Array): string {
  const text = Buffer.from(data.subarray(0, LINE_LENGTH * 4)).toString('utf8');
  return text.replace(/\r?\n$/, '').slice(0, LINE_LENGTH);
}

const LOCAL_LOGS = ['json-file', 'local'];

/**
 * What the kernel did to a container for lack of memory, from lines such as
 * `oom-kill:constraint=CONSTRAINT_MEMCG,…,oom_memcg=/tare/ID,task_memcg=/tare/ID,task=sh,pid=18,uid=0`.
 */
export function findOomKill(
  messages: readonly string[],
  { id, hostConfig }: Pick<Container, 'id' | 'hostConfig'>,
): OomKill {
  const { memory } = hostConfig.resources;
  for (const message of [...messages].reverse()) {
    if (!message.startsWith('oom-kill:')) continue;
    const field = (name: string): string => new RegExp(`[,:]${name}=([^,]*)`).exec(message)?.[1] ?? '';
    if (!field('task_memcg').includes(id)) continue;
    const ofMachine = field('constraint') !== 'CONSTRAINT_MEMCG';
    return { limit: ofMachine ? 0 : memory, process: field('task'), pid: Number(field('pid')) };
  }
  return { limit: memory, process: '', pid: 0 };
}
