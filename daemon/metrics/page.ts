// GET /: the page and its Content-Security-Policy. page.html is read at the first request; a bundle
// contains its text.
import { createHash } from 'node:crypto';
import { readPage, readRunbook } from './page-text.ts';

export interface Page {
  readonly text: string;
  readonly contentType: string;
  readonly headers: Readonly<Record<string, string>>;
}

let page: Page | undefined;

export function loadPage(): Page {
  return (page ??= makePage(readPage()));
}

/** GET /runbook: what each alert means, and its remedy. */
export function loadRunbook(): Page {
  return makePage(readRunbook());
}

function makePage(text: string): Page {
  return {
    text,
    contentType: 'text/html; charset=utf-8',
    headers: { 'Content-Security-Policy': policyOf(text) },
  };
}

/** Allows the page's own script and style, and requests to its own origin. */
export function policyOf(html: string): string {
  const source = (tag: string): string =>
    Array.from(html.matchAll(new RegExp(`<${tag}>([^]*?)</${tag}>`, 'g')), ([, body]) => hashOf(body!)).join(
      ' ',
    );
  return [
    "default-src 'none'",
    `script-src ${source('script')}`,
    `style-src ${source('style')}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
