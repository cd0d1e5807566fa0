import type { NetworkExplainer } from '../../engine/containers/explain/explainer.ts';
import type { Explanation } from '../../engine/containers/explain/explanation.ts';
import type { Explanation as Wire } from '../../wire/explain.ts';
import { HttpError } from '../errors.ts';
import { text } from '../query.ts';
import type { Route } from '../router.ts';

function explanationToWire({ target, summary, findings }: Explanation): Wire {
  return {
    Target: target,
    Summary: summary,
    Findings: findings.map(({ from, verdict, text: words, rule }) => ({
      From: from,
      Verdict: verdict,
      Text: words,
      ...(rule === undefined ? {} : { Rule: rule }),
    })),
  };
}

/** Beyond Docker: what happens to packets. No network is called `-`. */
export function explainRoutes({ explainer }: { explainer: Pick<NetworkExplainer, 'explain'> }): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/networks/-/explain',
      async handle(x) {
        const target = text(x, 'target');
        if (target === '') throw new HttpError(400, 'target is missing: HOST:PORT or a container');
        x.json(200, explanationToWire(await explainer.explain(target)));
      },
    },
  ];
}
