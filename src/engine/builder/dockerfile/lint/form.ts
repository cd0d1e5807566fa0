import type { Instruction } from '../instructions.ts';
import type { Span } from '../parse.ts';
import type { Finding, LintRule } from './subject.ts';

export const NO_EMPTY_CONTINUATION: LintRule = {
  name: 'NoEmptyContinuation',
  description: 'Empty continuation lines will become errors in a future release',
  *check({ file }) {
    for (const { hasEmptyLine, span } of file.statements) {
      if (hasEmptyLine) yield { text: 'Empty continuation line', span };
    }
  },
};

export const JSON_ARGS_RECOMMENDED: LintRule = {
  name: 'JSONArgsRecommended',
  description:
    'JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals',
  *check({ compiled }) {
    for (const { instructions } of compiled.stages) {
      for (const [index, step] of instructions.entries()) {
        if ((step.kind !== 'cmd' && step.kind !== 'entrypoint') || step.command.form === 'exec') continue;
        // Who names a shell wants it.
        if (instructions.slice(0, index).some(({ kind }) => kind === 'shell')) continue;
        yield {
          text: `JSON arguments recommended for ${step.kind.toUpperCase()} to prevent unintended behavior related to OS signals`,
          span: step.span,
        };
      }
    }
  },
};

export const MAINTAINER_DEPRECATED: LintRule = {
  name: 'MaintainerDeprecated',
  description: 'The MAINTAINER instruction is deprecated, use a label instead to define an image author',
  *check({ file }) {
    for (const { name, span } of file.statements) {
      if (name !== 'MAINTAINER') continue;
      yield { text: 'Maintainer instruction is deprecated in favor of using label', span };
    }
  },
};

export const LEGACY_KEY_VALUE_FORMAT: LintRule = {
  name: 'LegacyKeyValueFormat',
  description: 'Legacy key/value format with whitespace separator should not be used',
  *check({ compiled }) {
    for (const step of compiled.stages.flatMap(({ instructions }) => instructions)) {
      if ((step.kind !== 'env' && step.kind !== 'label') || !step.legacy) continue;
      const name = step.kind.toUpperCase();
      yield {
        text: `"${name} key=value" should be used instead of legacy "${name} key value" format`,
        span: step.span,
      };
    }
  },
};

const ONCE: ReadonlyArray<Instruction['kind']> = ['cmd', 'entrypoint', 'healthcheck'];

export const MULTIPLE_INSTRUCTIONS_DISALLOWED: LintRule = {
  name: 'MultipleInstructionsDisallowed',
  description: 'Multiple instructions of the same type should not be used in the same stage',
  *check({ compiled }) {
    for (const { instructions } of compiled.stages) {
      const last = new Map<string, Span>();
      for (const { kind, span } of instructions) {
        if (!ONCE.includes(kind)) continue;
        const before = last.get(kind);
        // The earlier one is what does not count.
        if (before) yield ignoredInstruction(kind.toUpperCase(), before);
        last.set(kind, span);
      }
    }
  },
};

function ignoredInstruction(name: string, span: Span): Finding {
  return {
    text: `Multiple ${name} instructions should not be used in the same stage because only the last one will be used`,
    span,
  };
}

export const EXPOSE_PROTO_CASING: LintRule = {
  name: 'ExposeProtoCasing',
  description: 'Protocol in EXPOSE instruction should be lowercase',
  *check({ compiled }) {
    for (const step of compiled.stages.flatMap(({ instructions }) => instructions)) {
      if (step.kind !== 'expose') continue;
      for (const port of step.ports) {
        const protocol = port.split('/')[1] ?? '';
        if (port.includes('$') || protocol === protocol.toLowerCase()) continue;
        yield {
          text: `Defined protocol '${port}' in EXPOSE instruction should be lowercase`,
          span: step.span,
        };
      }
    }
  },
};

export const EXPOSE_INVALID_FORMAT: LintRule = {
  name: 'ExposeInvalidFormat',
  description:
    'IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release',
  *check({ compiled }) {
    for (const step of compiled.stages.flatMap(({ instructions }) => instructions)) {
      if (step.kind !== 'expose') continue;
      for (const port of step.ports) {
        if (port.includes('$') || !port.includes(':')) continue;
        yield {
          text: `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`,
          span: step.span,
        };
      }
    }
  },
};
