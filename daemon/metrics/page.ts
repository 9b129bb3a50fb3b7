// GET /: the page, and what it may do. page.html is read at the first question; in a bundle its text is part of it.
import { createHash } from 'node:crypto';
import { readPage } from './page-text.ts';

export interface Page {
  readonly text: string;
  readonly contentType: string;
  readonly headers: Readonly<Record<string, string>>;
}

let page: Page | undefined;

export function loadPage(): Page {
  return (page ??= makePage(readPage()));
}

function makePage(text: string): Page {
  return {
    text,
    contentType: 'text/html; charset=utf-8',
    headers: { 'Content-Security-Policy': policyOf(text) },
  };
}

/** Only the script and the style that are in it, and questions to where it came from. */
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
