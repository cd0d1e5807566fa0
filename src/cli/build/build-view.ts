import type { ProgressMessage } from '../../wire/errors.ts';
import type { CommandContext } from '../context.ts';
import { humanSize } from '../format/size.ts';
import { failureOf, showProgress } from '../progress/progress.ts';
import { stdoutIsTerminal } from '../terminal/terminal.ts';
import { rawJson } from './raw-json.ts';
import type { BuildFlags } from './refusals.ts';
import { LiveBuild } from './show-build.ts';
import type { UploadView } from './upload.ts';

/** How a build is shown. */
export interface BuildView extends UploadView {
  /** What happens itself, in place of the classic builder's words. */
  readonly wantsEvents: boolean;
  begin(): void;
  /** @throws CommandFailure when the build failed */
  follow(messages: AsyncIterable<ProgressMessage>, onAux: (aux: unknown) => void): Promise<void>;
  /** The id that a build with `q` says in place of all else. */
  quietId(): string | undefined;
  fail(): void;
}

/** True when progress is drawn and not just written. */
export const showsLive = (flags: BuildFlags): boolean =>
  !flags.quiet && (flags.progress === 'tty' || (flags.progress === 'auto' && stdoutIsTerminal()));

export function openView(context: CommandContext, flags: BuildFlags): BuildView {
  if (flags.quiet) return new QuietView(context);
  if (flags.progress === 'rawjson') return new RawView(context);
  return showsLive(flags) ? new LiveView(context) : new PlainView(context);
}

class LiveView implements BuildView {
  readonly wantsEvents = true;
  readonly #live: LiveBuild;

  constructor({ console, environment }: CommandContext) {
    this.#live = new LiveBuild(console, environment);
  }

  begin(): void {
    this.#live.contextBegins();
  }

  sent(bytes: number): void {
    this.#live.contextSent(bytes);
  }

  ready(): void {
    this.#live.contextEnds();
  }

  async follow(messages: AsyncIterable<ProgressMessage>, onAux: (aux: unknown) => void): Promise<void> {
    await this.#live.follow(messages, onAux);
  }

  quietId(): undefined {
    return undefined;
  }

  fail(): void {
    this.#live.fail();
  }
}

/** The classic builder's lines. */
class PlainView implements BuildView {
  readonly wantsEvents = false;
  readonly #context: CommandContext;
  #bytes = 0;

  constructor(context: CommandContext) {
    this.#context = context;
  }

  begin(): void {}

  sent(bytes: number): void {
    this.#bytes = bytes;
  }

  ready(): void {
    this.#context.console.out(`Sending build context to Tare daemon ${humanSize(this.#bytes).padStart(8)}\n`);
  }

  async follow(messages: AsyncIterable<ProgressMessage>, onAux: (aux: unknown) => void): Promise<void> {
    await showProgress(messages, this.#context.console, false, onAux);
  }

  quietId(): undefined {
    return undefined;
  }

  fail(): void {}
}

/** Only a failure shows what was said until then. */
class QuietView implements BuildView {
  readonly wantsEvents = false;
  readonly #context: CommandContext;
  #said = '';

  constructor(context: CommandContext) {
    this.#context = context;
  }

  begin(): void {}
  sent(): void {}
  ready(): void {}

  async follow(messages: AsyncIterable<ProgressMessage>, onAux: (aux: unknown) => void): Promise<void> {
    const keep = (data: string | Uint8Array): void => {
      this.#said += data;
    };
    await showProgress(messages, { ...this.#context.console, out: keep }, false, onAux);
  }

  quietId(): string | undefined {
    return /sha256:[0-9a-f]{64}\s*$/.exec(this.#said)?.[0].trim();
  }

  fail(): void {
    if (this.#said !== '') this.#context.console.err(this.#said);
  }
}

/** BuildKit's JSON lines on stderr, for programs. */
class RawView implements BuildView {
  readonly wantsEvents = true;
  readonly #context: CommandContext;

  constructor(context: CommandContext) {
    this.#context = context;
  }

  begin(): void {}
  sent(): void {}
  ready(): void {}

  async follow(messages: AsyncIterable<ProgressMessage>, onAux: (aux: unknown) => void): Promise<void> {
    for await (const message of messages) {
      const failure = failureOf(message);
      if (failure !== undefined) throw failure;
      if (message.aux !== undefined) onAux(message.aux);
      else if (message.tare !== undefined) this.#context.console.err(rawJson(message.tare, Date.now()));
    }
  }

  quietId(): undefined {
    return undefined;
  }

  fail(): void {}
}
