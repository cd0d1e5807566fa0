import type { BuildEvent, PlannedStep, VertexEvent } from '../engine/builder/builder.ts';
import type { ProgressMessage } from '../wire/errors.ts';

/** What is known of a vertex so far. */
interface Known {
  event: VertexEvent;
  /** Said when its step's turn comes. */
  waiting: ProgressMessage[];
  saidCached: boolean;
  saidRunning: boolean;
}

/**
 * A build's events in the classic builder's words: `Step 2/5 : RUN make`. Steps stand in the Dockerfile's order although
 * they may run side by side: what a later one says waits until those before it are done.
 */
export class BuildSteps {
  readonly #send: (message: ProgressMessage) => void;
  readonly #removes: boolean;
  readonly #known = new Map<string, Known>();
  readonly #decoders = new Map<string, TextDecoder>();
  #steps: readonly PlannedStep[] = [];
  #at = 0;
  #headed = false;
  #result = '';

  /** `removes`: tell that containers of steps are removed. */
  constructor(send: (message: ProgressMessage) => void, removes: boolean) {
    this.#send = send;
    this.#removes = removes;
  }

  take(event: BuildEvent): void {
    switch (event.kind) {
      case 'plan':
        this.#steps = event.steps;
        break;
      case 'vertex': {
        const known = this.#of(event.id);
        known.event = { ...known.event, ...event };
        if (event.error !== undefined) this.#jumpTo(event.id);
        break;
      }
      case 'log': {
        const known = this.#of(event.vertex);
        const words = this.#decode(event.vertex + event.stream, event.data);
        known.waiting.push({ stream: event.stream === 'stderr' ? `\x1b[91m${words}\x1b[0m` : words });
        break;
      }
      case 'status':
        this.#of(event.vertex).waiting.push(statusOf(event));
        break;
      case 'warning':
        this.#say(`[Warning] ${warningText(event)}\n`);
        break;
    }
    this.#advance();
  }

  #of(id: string): Known {
    let known = this.#known.get(id);
    if (!known) {
      const event: VertexEvent = { kind: 'vertex', id, name: '', inputs: [] };
      known = { event, waiting: [], saidCached: false, saidRunning: false };
      this.#known.set(id, known);
    }
    return known;
  }

  #advance(): void {
    for (let step = this.#steps[this.#at]; step; step = this.#steps[this.#at]) {
      if (!this.#tell(step)) return;
      this.#at++;
      this.#headed = false;
    }
  }

  /** Says what there is to say of a step; true when it is done. */
  #tell(step: PlannedStep): boolean {
    const known = step.vertex === undefined ? undefined : this.#known.get(step.vertex);
    if (step.vertex !== undefined && known?.event.started === undefined) return false;
    this.#head(step);
    if (known) {
      const { event } = known;
      if (event.cached === true && !known.saidCached) {
        known.saidCached = true;
        this.#say(' ---> Using cache\n');
      }
      if (event.container !== undefined && !known.saidRunning) {
        known.saidRunning = true;
        this.#say(` ---> Running in ${event.container}\n`);
      }
      for (const message of known.waiting.splice(0)) this.#send(message);
      if (event.completed === undefined || event.error !== undefined) return false;
      if (event.container !== undefined && this.#removes) {
        this.#say(` ---> Removed intermediate container ${event.container}\n`);
      }
      this.#result = event.result ?? this.#result;
    }
    if (this.#result !== '') this.#say(` ---> ${shortOf(this.#result)}\n`);
    return true;
  }

  #head(step: PlannedStep): void {
    if (this.#headed) return;
    this.#headed = true;
    const numbered = this.#steps.filter(({ trigger }) => !trigger);
    const place = step.trigger ? '# Executing' : `Step ${numbered.indexOf(step) + 1}/${numbered.length} :`;
    this.#say(`${place} ${step.text}`);
    this.#say('\n');
  }

  /** A step that failed is told at once, although others before it may not be done. */
  #jumpTo(vertex: string): void {
    this.#advance();
    const index = this.#steps.findIndex((step, at) => at >= this.#at && step.vertex === vertex);
    if (index < 0 || index === this.#at) return;
    this.#at = index;
    this.#headed = false;
  }

  #decode(of: string, data: Uint8Array): string {
    let decoder = this.#decoders.get(of);
    if (!decoder) {
      decoder = new TextDecoder();
      this.#decoders.set(of, decoder);
    }
    return decoder.decode(data, { stream: true });
  }

  #say(stream: string): void {
    this.#send({ stream });
  }
}

/** As BuildKit's clients put it: the rule, what is wrong, and where. */
function warningText({ rule, text, span }: Extract<BuildEvent, { kind: 'warning' }>): string {
  return `${rule === undefined ? '' : `${rule}: `}${text}${span ? ` (line ${span.first})` : ''}`;
}

function statusOf({ id, name, current, total }: Extract<BuildEvent, { kind: 'status' }>): ProgressMessage {
  const message: ProgressMessage = { status: name };
  if (id !== '') message.id = id;
  if (current > 0) message.progressDetail = { current, ...(total > 0 && { total }) };
  return message;
}

/** As the classic builder shortens ids. */
export function shortOf(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}
