import type { ProgressMessage } from '../../wire/errors.ts';
import { cleanLine, fitLine } from './terminal-line.ts';

/** Lines of a running step's output that are shown. */
const TAIL = 6;
/** Lines that are kept to be shown when the step fails. */
const KEPT = 100;

interface Step {
  /** `2/5`. */
  readonly place: string;
  readonly text: string;
  readonly since: number;
  cached: boolean;
  /** Its output, oldest first, at most KEPT lines. */
  readonly output: string[];
  /** What a pull says last, by layer. */
  readonly layers: Map<string, string>;
}

/**
 * The classic builder's stream as a terminal shows it: a line for each step with its time and whether it came from the
 * cache, below the running one the last lines that it printed. Holds what there is to see and draws nothing itself.
 */
export class BuildBoard {
  readonly #now: () => number;
  #step: Step | undefined;
  /** Text of the stream after its last line break. */
  #partial = '';

  /** @param now a clock in milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Takes a message; returns the lines that will not change any more. */
  take(message: ProgressMessage, width: number): string[] {
    if (message.stream !== undefined) return this.#takeText(message.stream, width);
    const { status = '', id = '', progress = '' } = message;
    if (this.#step === undefined) return status === '' ? [] : [fitLine(`${id} ${status}`.trim(), width)];
    if (id === '') addLine(this.#step, status);
    else this.#step.layers.set(id, `${id}: ${status} ${progress}`.trimEnd());
    return [];
  }

  /** The running step, as it is now. */
  live(width: number): string[] {
    const step = this.#step;
    if (step === undefined) return [];
    const unfinished = cleanLine(this.#partial);
    const said = [...step.output, ...step.layers.values(), ...(unfinished === '' ? [] : [unfinished])];
    return [
      this.#line(step, '', width),
      ...said.slice(-TAIL).map((line) => fitLine(` => => ${line}`, width)),
    ];
  }

  /** The step ended well: its line for good. */
  finish(width: number): string[] {
    const step = this.#step;
    this.#step = undefined;
    return step === undefined ? [] : [this.#line(step, step.cached ? 'CACHED ' : '', width)];
  }

  /** The step failed: its line for good and what it said. */
  fail(width: number): string[] {
    const step = this.#step;
    this.#step = undefined;
    if (step === undefined) return [];
    const rest = cleanLine(this.#partial);
    const said = rest === '' ? step.output : [...step.output, rest];
    return [this.#line(step, 'ERROR ', width), ...said.map((line) => ` > ${line}`)];
  }

  #takeText(text: string, width: number): string[] {
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop()!;
    return lines.flatMap((line) => this.#takeLine(line, width));
  }

  #takeLine(raw: string, width: number): string[] {
    // What ends the colour of a step's errors stands before the next line.
    const line = Bun.stripANSI(raw);
    const begun = /^Step (\d+\/\d+) : (.*)$/.exec(line);
    if (begun !== null) {
      const before = this.finish(width);
      const [, place = '', text = ''] = begun;
      this.#step = { place, text, since: this.#now(), cached: false, output: [], layers: new Map() };
      return before;
    }
    if (/^Successfully (built|tagged) /.test(line)) return [...this.finish(width), fitLine(line, width)];
    if (/^\[Warning\] /.test(line)) return [fitLine(line, width)];
    const note = /^ ---> (Using cache$|Running in |Removed intermediate container |[0-9a-f]{12}$)/.exec(
      line,
    )?.[1];
    if (note === undefined) {
      if (this.#step === undefined) return [fitLine(cleanLine(line), width)];
      addLine(this.#step, cleanLine(line));
    } else if (note === 'Using cache' && this.#step !== undefined) {
      this.#step.cached = true;
    }
    return [];
  }

  #line(step: Step, mark: string, width: number): string {
    const time = ` ${((this.#now() - step.since) / 1000).toFixed(1)}s`;
    const room = Math.max(10, width - time.length);
    return fitLine(` => ${mark}[${step.place}] ${cleanLine(step.text)}`, room).padEnd(room) + time;
  }
}

function addLine(step: Step, line: string): void {
  step.output.push(line);
  if (step.output.length > KEPT) step.output.shift();
}
