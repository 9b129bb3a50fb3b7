import assert from 'node:assert/strict';
import { packageRoot } from '../../lab/package-root.ts';
import { buildRunbook, renderRunbook } from './runbook.ts';

describe('the runbook', () => {
  it('has a heading for each alert, which URLs name', () => {
    assert.match(buildRunbook(packageRoot()), /<h2 id="weftdown">WeftDown<\/h2>\n<p><code>up<\/code> is 0:/);
  });

  it('has links to its own headings alone, and no markup of the document', () => {
    const html = renderRunbook('### A\n\nSee [B](#b), [C](../c.md) and `d <e>`: *f*.');
    assert.ok(html.includes('<p>See <a href="#b">B</a>, C and <code>d &lt;e></code>: <em>f</em>.</p>'), html);
  });
});
