import { suggestions } from '../../../base/edit-distance.ts';
import { DockerfileError } from './dockerfile-error.ts';
import { expandWord, type Lookup } from './expand.ts';
import { atSpan } from './flags.ts';
import type { CompiledDockerfile, StageSource } from './instructions.ts';
import type { Span } from './parse.ts';

/** A stage whose FROM is resolved. */
export interface ResolvedStage extends StageSource {
  /** What it begins with: a stage before it, an image or named context, or nothing (`scratch`). */
  readonly base:
    | { readonly kind: 'stage'; readonly stage: ResolvedStage }
    | { readonly kind: 'image'; readonly reference: string }
    | { readonly kind: 'scratch' };
  /** `os/arch[/variant]` or empty. */
  readonly platform: string;
}

/**
 * Resolves the FROM of every stage. `given`: `--build-arg`; `platform`: BUILDPLATFORM, TARGETARCH and so on. Returns
 * also the values of the ARGs before the first FROM, which a stage has once it declares them. Throws `DockerfileError`.
 */
export function resolveStages(
  file: CompiledDockerfile,
  given: Lookup,
  platform: Lookup,
): { stages: ResolvedStage[]; globals: Map<string, string | undefined> } {
  const { escapeChar } = file;
  const globals = new Map<string, string | undefined>();
  const lookup: Lookup = (name) => globals.get(name) ?? platform(name);
  for (const { args, span } of file.globals) {
    for (const { name, fallback } of args) {
      const value = given(name) ?? (fallback === undefined ? platform(name) : undefined);
      const own = value ?? atSpan(span, () => fallback && expandWord(fallback, lookup, escapeChar));
      globals.set(name, own ?? fallback);
    }
  }
  const stages: ResolvedStage[] = [];
  for (const stage of file.stages) {
    const { image, platform: wanted, span } = stage.from;
    const reference = atSpan(span, () => expandWord(image, lookup, escapeChar));
    if (reference === '') throw new DockerfileError(blankBase(image), span);
    const earlier = stages.findLast(({ name }) => name !== '' && name === reference.toLowerCase());
    stages.push({
      ...stage,
      base: earlier
        ? { kind: 'stage', stage: earlier }
        : reference === 'scratch'
          ? { kind: 'scratch' }
          : { kind: 'image', reference },
      platform: atSpan(span, () => expandWord(wanted, lookup, escapeChar)),
    });
  }
  return { stages, globals };
}

function blankBase(image: string): string {
  return `base name (${image}) should not be blank: give its ARG a default before the first FROM, or --build-arg`;
}

/**
 * The stage that COPY --from, RUN --mount=from= or --target means by name or number; undefined: it is an image or a
 * named context.
 */
export function stageNamed<T extends StageSource>(stages: readonly T[], ref: string): T | undefined {
  const found = stages.findLast(({ name }) => name !== '' && name === ref.toLowerCase());
  return found ?? (/^\d+$/.test(ref) ? stages[Number(ref)] : undefined);
}

/** A stage's name that is so near to `ref` that it may have been meant, for messages: ` (did you mean …?)`. */
export function stageHint(stages: readonly StageSource[], ref: string): string {
  const names = stages.map(({ name }) => name).filter((name) => name !== '');
  const [nearest] = suggestions(ref, names);
  return nearest === undefined ? '' : ` (did you mean the stage ${nearest}?)`;
}

/** The stages that the instructions of a stage copy or mount from, with the lines that do. */
export function copiedStages<T extends StageSource>(
  stage: StageSource,
  stages: readonly T[],
): Array<{ stage: T; span: Span }> {
  return stage.instructions.flatMap((step) => {
    const names = step.kind === 'copy' ? [step.from] : step.kind === 'run' ? step.mountSources : [];
    return names.flatMap((ref) => {
      if (ref === '') return [];
      const found = stageNamed(stages, ref);
      if (found) return [{ stage: found, span: step.span }];
      if (!/^\d+$/.test(ref)) return [];
      throw new DockerfileError(
        `invalid stage index ${ref}: the Dockerfile has ${stages.length} stages, which count from 0`,
        step.span,
      );
    });
  });
}

/**
 * The stages that the target needs, each after those that it needs itself; the target (empty: the last stage) is last.
 * Throws `DockerfileError` when there is no such stage, and for stages that need each other.
 */
export function stagesFor(stages: readonly ResolvedStage[], target: string): ResolvedStage[] {
  const goal = target === '' ? stages.at(-1) : stageNamed(stages, target);
  if (!goal) {
    throw new DockerfileError(
      `target stage ${JSON.stringify(target)} could not be found${stageHint(stages, target)}`,
      undefined,
    );
  }
  const done = new Set<ResolvedStage>();
  const open = new Set<ResolvedStage>();
  const visit = (stage: ResolvedStage, span: Span): void => {
    if (done.has(stage)) return;
    if (open.has(stage)) {
      const name = stage.name || String(stage.index);
      throw new DockerfileError(`circular dependency detected on stage: ${name}`, span);
    }
    open.add(stage);
    if (stage.base.kind === 'stage') visit(stage.base.stage, stage.from.span);
    for (const other of copiedStages(stage, stages)) visit(other.stage, other.span);
    open.delete(stage);
    done.add(stage);
  };
  visit(goal, goal.from.span);
  return [...done];
}
