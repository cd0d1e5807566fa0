import { cleanPath } from '../../../../base/go-paths.ts';
import { isHeredocWord } from '../heredoc.ts';
import type { LintRule } from './subject.ts';

export const WORKDIR_RELATIVE_PATH: LintRule = {
  name: 'WorkdirRelativePath',
  description:
    'Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes',
  *check({ compiled }) {
    const settled = new Set<string>();
    for (const stage of compiled.stages) {
      let isSettled = settled.has(stage.from.image.toLowerCase());
      for (const step of stage.instructions) {
        if (step.kind !== 'workdir') continue;
        if (!isSettled && !/^[/$]/.test(step.path)) {
          yield {
            text: `Relative workdir ${JSON.stringify(step.path)} can have unexpected results if the base image changes`,
            span: step.span,
          };
        }
        isSettled = true;
      }
      if (isSettled && stage.name !== '') settled.add(stage.name);
    }
  },
};

const REMOTE = /^(?:[a-z][a-z0-9+.-]*:\/\/|git@)/i;

export const COPY_IGNORED_FILE: LintRule = {
  name: 'CopyIgnoredFile',
  description: 'Attempting to Copy file that is excluded by .dockerignore',
  *check({ compiled, ignored }) {
    // With exceptions a left out directory may still have something in it.
    if (ignored === undefined || ignored.hasExceptions) return;
    for (const step of compiled.stages.flatMap(({ instructions }) => instructions)) {
      if (step.kind !== 'add' && !(step.kind === 'copy' && step.from === '')) continue;
      for (const source of step.sources) {
        if (source.includes('$') || REMOTE.test(source) || isHeredocWord(source)) continue;
        const path = cleanPath(`/${source}`).slice(1);
        if (path === '' || !ignored.match(path).matched) continue;
        yield {
          text: `Attempting to ${step.kind === 'add' ? 'Add' : 'Copy'} file ${JSON.stringify(source)} that is excluded by .dockerignore`,
          span: step.span,
        };
      }
    }
  },
};
