// Signing out ends the chat's session first, then the portal's. Without this script, or without the chat, the form
// still signs out of the portal.
const LONGEST_WAIT = 3000;
const form = document.getElementById("sign-out");

form.addEventListener("submit", async (event) => {
  const chat = window.PneChat;
  if (!chat || typeof chat.logout !== "function") return;
  event.preventDefault();
  const patience = new Promise((resolve) => setTimeout(resolve, LONGEST_WAIT));
  try {
    await Promise.race([chat.logout(), patience]);
  } finally {
    form.submit();
  }
});
