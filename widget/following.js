// @ts-check
/** What comes from the server: what was said before, the one stream of all tabs, and what a tab has missed. */

import { Live } from "./live.js";
import { Tabs } from "./tabs.js";

/** @typedef {import("./chat.js").Chat} Chat */

/**
 * What was said before a reload, shown without reading it all out again.
 * @param {Chat} chat
 */
export async function history(chat) {
  await missed(chat);
  chat.log.toEnd();
}

/**
 * What the server has and this page does not show yet.
 * @param {Chat} chat
 */
async function missed(chat) {
  let last;
  try {
    do {
      last = chat.log.upTo();
      for (const event of await chat.api.after(last)) chat.receive(event);
    } while (chat.log.upTo() > last);
  } catch {
    // the stream asks again from the last message that is shown
  }
}

/** @param {Chat} chat */
export function follow(chat) {
  chat.tabs = new Tabs(chat.api.conversation, {
    onNews: (news) => hear(chat, news),
    onLead: () => stream(chat),
    onFollow: () => chat.live?.stop(),
  });
  chat.tabs.start();
}

/**
 * What the tab that holds the stream passes on. It says how far it is too: whoever has missed something asks for it.
 * @param {Chat} chat
 * @param {import("./tabs.js").News} news
 */
function hear(chat, { event, writing, person, linked, last = 0 }) {
  if (chat.over) return;
  if (event) chat.receive(event);
  if (writing !== undefined) chat.activity.show({ writing });
  if (person !== undefined) chat.activity.person(person);
  if (linked !== undefined) chat.link(linked);
  if (last <= chat.log.upTo() || chat.asking) return;
  chat.asking = true;
  missed(chat).finally(() => (chat.asking = false));
}

/** @param {Chat} chat */
function stream(chat) {
  chat.live = new Live(
    chat.api,
    {
      onEvent: (event) => {
        chat.receive(event);
        chat.tabs?.pass({ event, last: chat.log.upTo() });
      },
      onWriting: (writing) => {
        chat.activity.show({ writing });
        chat.tabs?.pass({ writing });
      },
      onPerson: (person) => {
        chat.activity.person(person);
        chat.tabs?.pass({ person });
      },
      onLink: (linked) => {
        chat.link(linked);
        chat.tabs?.pass({ linked, last: chat.log.upTo() });
      },
      onEnded: () => chat.end(),
    },
    chat.log.upTo(),
  );
  chat.live.run();
}
