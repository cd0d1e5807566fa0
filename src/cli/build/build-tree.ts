import type { BuildEventMessage } from '../../wire/build.ts';
import { humanSize } from '../format/size.ts';
import { StepLog } from './step-log.ts';
import { cleanLine, fitLine } from './terminal-line.ts';

/** Lines of a running step's output that are shown when there is room. */
const TAIL = 5;
const SPINNER = [...'⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'];
/** Milliseconds of one of its turns. */
const TURN = 120;

interface Step {
  readonly id: string;
  /** `2/5`; empty for what has no number. */
  readonly place: string;
  readonly text: string;
  started: number | undefined;
  completed: number | undefined;
  cached: boolean;
  error: string | undefined;
  readonly log: StepLog;
  /** How far the parts of it are, by id. */
  readonly parts: Map<string, string>;
}

type State = 'waiting' | 'running' | 'done' | 'cached' | 'failed' | 'stopped';

export interface Look {
  readonly width: number;
  /** Lines at most. */
  readonly rows: number;
  readonly colour: boolean;
}

const COLOURS: Readonly<Record<State | 'dim' | 'bold', string>> = {
  waiting: '\x1b[2m',
  running: '\x1b[36m',
  done: '\x1b[32m',
  cached: '\x1b[2m',
  failed: '\x1b[31m',
  stopped: '\x1b[33m',
  dim: '\x1b[2m',
  bold: '\x1b[1m',
};

/**
 * A build as a tree of stages and their steps, with times, what came from the cache, and the last lines of all that is
 * running. Holds what there is to see and draws nothing itself.
 */
export class BuildTree {
  readonly #now: () => number;
  readonly #since: number;
  /** In the order in which they were first told of; what belongs to no stage stands where it was told of. */
  readonly #groups: Array<{ readonly stage: string; readonly steps: Step[] }> = [];
  readonly #steps = new Map<string, Step>();
  readonly #warnings: string[] = [];
  #over = false;

  /** @param now milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now;
    this.#since = now();
  }

  take(event: BuildEventMessage): void {
    if (event.kind === 'warning') {
      const rule = event.rule === undefined ? '' : `${event.rule}: `;
      const line = event.line === undefined ? '' : ` (line ${event.line})`;
      this.#warnings.push(cleanLine(`${rule}${event.text}${line}`));
      return;
    }
    if (event.kind === 'vertex') {
      const step = this.#steps.get(event.id) ?? this.#add(event.id, event.name);
      step.started = event.started ?? step.started;
      step.completed = event.completed ?? step.completed;
      step.cached = event.cached ?? step.cached;
      step.error = event.error ?? step.error;
      return;
    }
    const step = this.#steps.get(event.vertex);
    if (step === undefined) return;
    if (event.kind === 'log') step.log.add(event.stream, Buffer.from(event.data, 'base64'));
    else step.parts.set(event.id, partText(event));
  }

  #add(id: string, name: string): Step {
    const { stage, place, text } = partsOfName(name);
    const step: Step = {
      ...{ id, place, text, started: undefined, completed: undefined, cached: false, error: undefined },
      log: new StepLog(),
      parts: new Map(),
    };
    this.#steps.set(id, step);
    const last = this.#groups.at(-1);
    const group = stage === '' ? last : this.#groups.find((one) => one.stage === stage);
    if (group?.stage === stage) group.steps.push(step);
    else this.#groups.push({ stage, steps: [step] });
    return step;
  }

  /** Nothing runs any more. */
  end(): void {
    this.#over = true;
  }

  /** The tree as it is now: as much of it as there is room for. */
  lines(look: Look): string[] {
    for (let tail = this.#over ? 0 : TAIL; tail >= 0; tail--) {
      const lines = this.#draw(look, tail, false);
      if (lines.length <= look.rows || (tail === 0 && this.#over)) return lines;
    }
    const short = this.#draw(look, this.#running() * 2 + 4 < look.rows ? 1 : 0, true);
    const [head = '', ...rest] = short;
    return short.length <= look.rows ? short : [head, ...rest.slice(rest.length - look.rows + 1)];
  }

  /** What the failed steps printed. */
  failures(look: Look): string[] {
    return [...this.#steps.values()].flatMap((step) => {
      if (this.#stateOf(step) !== 'failed') return [];
      const output = step.log.all();
      if (output.length === 0) return [];
      const name = fitLine(` > ${step.place === '' ? '' : `[${step.place}] `}${step.text}:`, look.width);
      return ['------', name, ...output, '------'];
    });
  }

  warnings(look: Look): string[] {
    return this.#warnings.map((text) => paint(fitLine(`! ${text}`, look.width), 'stopped', look));
  }

  #running(): number {
    return [...this.#steps.values()].filter((step) => this.#stateOf(step) === 'running').length;
  }

  #stateOf(step: Step): State {
    if (step.error !== undefined) return /cancel|stopped/i.test(step.error) ? 'stopped' : 'failed';
    if (step.completed !== undefined) return step.cached ? 'cached' : 'done';
    if (step.started === undefined) return 'waiting';
    return this.#over ? 'stopped' : 'running';
  }

  #draw(look: Look, tail: number, collapsed: boolean): string[] {
    const steps = [...this.#steps.values()];
    const done = steps.filter((step) => ['done', 'cached'].includes(this.#stateOf(step))).length;
    const time = seconds(this.#now() - this.#since);
    const lines = [
      paint(fitLine(`[+] Building ${time} (${done}/${steps.length})`, look.width), 'bold', look),
    ];
    for (const { stage, steps: own } of this.#groups) {
      const nested = stage !== '';
      if (nested) lines.push(paint(fitLine(` ${stage}`, look.width), 'bold', look));
      lines.push(...this.#drawSteps(own, look, tail, collapsed, nested ? '  ' : ' '));
    }
    return lines;
  }

  #drawSteps(steps: readonly Step[], look: Look, tail: number, collapsed: boolean, indent: string): string[] {
    const lines: string[] = [];
    let hidden = 0;
    let waiting = 0;
    const flush = (): void => {
      if (hidden > 0) lines.push(paint(fitLine(`${indent}✓ ${hidden} done`, look.width), 'dim', look));
      if (waiting > 0) lines.push(paint(fitLine(`${indent}· ${waiting} to come`, look.width), 'dim', look));
      hidden = 0;
      waiting = 0;
    };
    for (const step of steps) {
      const state = this.#stateOf(step);
      if (collapsed && (state === 'done' || state === 'cached')) hidden++;
      else if (collapsed && state === 'waiting') waiting++;
      else {
        flush();
        lines.push(this.#stepLine(step, state, look, indent));
        if (state === 'running') lines.push(...tailOf(step, tail, look, indent));
      }
    }
    flush();
    return lines;
  }

  #stepLine(step: Step, state: State, look: Look, indent: string): string {
    const marks = { waiting: '·', done: '✓', cached: '✓', failed: '✗', stopped: '-' };
    const turn = Math.floor(this.#now() / TURN) % SPINNER.length;
    const mark = state === 'running' ? SPINNER[turn]! : marks[state];
    const end = step.completed ?? this.#now();
    const times = step.started === undefined ? '' : seconds(Math.max(0, end - step.started));
    const right = { cached: 'cached', waiting: '', stopped: 'stopped' }[state as string] ?? times;
    const room = Math.max(8, look.width - right.length - 1);
    const place = step.place === '' ? '' : `[${step.place}] `;
    const left = fitLine(`${indent}${mark} ${place}${step.text}`, room);
    const gap = ' '.repeat(Math.max(1, look.width - Bun.stringWidth(left) - right.length));
    return paint(right === '' ? left : `${left}${gap}${right}`, state, look);
  }
}

function tailOf(step: Step, tail: number, look: Look, indent: string): string[] {
  const said = step.parts.size > 0 ? [...step.parts.values()].slice(-tail) : step.log.tail(tail);
  if (tail === 0) return [];
  return said.map((line) => paint(fitLine(`${indent}  │ ${cleanLine(line)}`, look.width), 'dim', look));
}

function paint(line: string, as: State | 'dim' | 'bold', look: Look): string {
  return look.colour ? `${COLOURS[as]}${line}\x1b[0m` : line;
}

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)}s`;

function partText({ id, name, current, total }: Extract<BuildEventMessage, { kind: 'status' }>): string {
  const far =
    total > 0 ? ` ${humanSize(current)} / ${humanSize(total)}` : current > 0 ? ` ${humanSize(current)}` : '';
  return `${id === name || id === '' ? '' : `${id}: `}${name}${far}`;
}

/** `[build 2/5] RUN make` is stage `build`, place `2/5`; a stage without a name has none. */
function partsOfName(name: string): { stage: string; place: string; text: string } {
  const clean = cleanLine(name.replaceAll('\n', ' '));
  const numbered = /^\[(?:(\S+) +)?(\d+\/\d+)\] (.*)$/.exec(clean);
  if (numbered !== null) return { stage: numbered[1] ?? '', place: numbered[2]!, text: numbered[3]! };
  const bare = /^\[(\S+)\] (.*)$/.exec(clean);
  if (bare !== null) return { stage: bare[1] === 'internal' ? '' : bare[1]!, place: '', text: bare[2]! };
  return { stage: '', place: '', text: clean };
}
