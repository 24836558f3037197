// A button beside each password that shows what was typed. Without script there is none, and nothing is missing.
// Its words come from the page's <template id="password-words">.

const words = document.getElementById("password-words")?.content.firstElementChild.dataset;

function prepare(input) {
  const button = document.createElement("button");
  const show = (shown) => {
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
    button.textContent = shown ? words.hide : words.show;
  };
  button.type = "button";
  button.className = "button";
  button.setAttribute("aria-controls", input.id);
  button.addEventListener("click", () => {
    show(input.type === "password");
    input.focus();
  });
  const row = document.createElement("div");
  row.className = "input-with";
  input.replaceWith(row);
  row.append(input, button);
  show(false);
  input.form?.addEventListener("submit", () => show(false));
}

if (words) document.querySelectorAll("input[type=password]").forEach(prepare);
