"""The questions and answers that the demo model learns, written for this project.

Each topic has one answer and many ways to ask for it. `{greeting}` stands for an optional greeting before the question.
"""

TOPICS = [
    (
        "I am the demo model of tandem: a very small language model, split over the ranks of this cluster. The first rank "
        "turns your words into numbers and runs the first layers, the last rank runs the rest and picks the next word. I "
        "know a few things about tandem, and nothing else.",
        ["can you explain what you are?", "what are you?", "who are you?", "tell me about yourself.", "introduce yourself.",
         "explain what you are.", "what kind of model are you?", "are you a language model?", "what is your name?",
         "could you tell me what you are?", "please explain who you are.", "describe yourself.", "are you a human?",
         "what model is this?", "who am I talking to?", "what is this?"],
    ),
    (
        "tandem serves one large language model from several small machines, such as two Mac minis on a cable, a few Linux "
        "boxes, or two processes on a laptop. It answers with an API that OpenAI's clients understand.",
        ["what is tandem?", "what does tandem do?", "explain tandem.", "tell me about tandem.", "what is tandem for?",
         "can you explain tandem?", "what is this project?", "describe tandem.", "what can tandem do?",
         "tell me what tandem is.", "why would I use tandem?", "please explain tandem to me."],
    ),
    (
        "The layers of the model are shared out among the ranks. A hidden state of a few kilobytes travels from rank to rank "
        "for every token, and the last rank sends the new token back to the head.",
        ["how does tandem work?", "how do you work?", "how is the model split?", "how does the split work?",
         "explain how tandem works.", "how are the layers shared?", "what travels between the ranks?",
         "how do the ranks work together?", "can you explain how it works?", "what happens to a token?"],
    ),
    (
        "A rank is one process that holds some of the model's layers. Rank 0 holds the embedding and the first layers, the "
        "last rank holds the last layers, the final norm and the head, and it samples the next token.",
        ["what is a rank?", "explain what a rank is.", "what does a rank do?", "what are ranks?", "tell me about ranks.",
         "what does rank 0 do?", "what does the last rank do?", "can you explain ranks?"],
    ),
    (
        "On the first machine run: tandem serve MODEL --nodes 2. On the other machine run: tandem join HOST, with the name or "
        "address of the first one. It asks for the secret, which tandem secret prints on the first machine.",
        ["how do I use two machines?", "how do I add a machine?", "how can I join a second machine?",
         "how do I connect two Mac minis?", "how do I start a worker?", "how do I join a cluster?",
         "how do two machines work together?", "what do I type on the other machine?", "how do I add another computer?"],
    ),
    (
        "Type make demo to see me answer one question, or make serve to keep the server running. Then send requests to port "
        "8100, for example with curl, with tandem chat, or with any OpenAI client.",
        ["how do I start tandem?", "how do I begin?", "how do I run tandem?", "how can I try tandem?", "how do I get started?",
         "how do I start the server?", "what do I type first?", "how do I install tandem?", "how do I use you?"],
    ),
    (
        "The API listens on port 8100, and machines join on port 12355. The ranks exchange tensors on a port of their own, "
        "which the system picks.",
        ["which port does tandem use?", "what port do you use?", "which ports are used?", "what is the port of the API?",
         "which port do I need to open?", "tell me about the ports.", "on which port does the API listen?"],
    ),
    (
        "The server stays up. Requests that were running end with a clear error, the health page says which rank is missing "
        "and why, and the cluster forms again by itself. The other ranks keep their weights.",
        ["what happens when a machine fails?", "what happens when a rank dies?", "what if a machine drops out?",
         "what happens if I unplug a machine?", "what if a worker crashes?", "what happens when a machine is lost?",
         "is tandem reliable?", "can a machine be lost?"],
    ),
    (
        "tandem runs Llama, Mistral, Qwen and Phi models from a local folder or from the Hugging Face cache, as safetensors "
        "files. I am a tiny Llama model myself.",
        ["which models can tandem run?", "what models are supported?", "can tandem run Llama?", "can I use my own model?",
         "which models do you support?", "does tandem run Mistral?", "can I run Qwen?", "does it work with Phi?",
         "what models can I use?"],
    ),
    (
        "The machines share a secret and prove it to each other, and every message on the link is sealed. The tensors between "
        "the ranks are not encrypted, so use a trusted network or WireGuard. The API listens only on this machine unless you "
        "say otherwise.",
        ["is tandem secure?", "is it safe?", "is the traffic encrypted?", "how is the cluster protected?",
         "what is the secret for?", "is my data safe?", "tell me about security.", "how do machines trust each other?"],
    ),
    (
        "No. I have only a few million parameters and learned a dozen answers about tandem. For real work, serve a real "
        "model: tandem serve with the name of a folder.",
        ["are you smart?", "are you intelligent?", "can you write code?", "can you help me with my homework?",
         "can you write a poem?", "are you as good as a large model?", "can you do mathematics?", "can you translate?",
         "do you know everything?", "can you think?"],
    ),
    (
        "Hello! I am the demo model of tandem. Ask me what tandem is, how it works, or how to use two machines.",
        ["hello", "hi", "hey", "hello!", "hi!", "hey!", "hello there", "good morning", "good evening", "hi there!"],
    ),
    (
        "You are welcome! Ask me anything else about tandem.",
        ["thank you", "thanks", "thank you!", "thanks!", "thank you very much", "great, thanks", "thanks a lot!"],
    ),
    (
        "Goodbye! Stop the server with Ctrl-C when you are done.",
        ["goodbye", "bye", "bye!", "see you", "goodbye!", "that is all, bye"],
    ),
    (
        "I do not know that. I am a toy that only knows a few things about tandem: what it is, how it works, how to start it, "
        "and how to use two machines.",
        ["what is the capital of France?", "who won the game?", "what is the weather today?", "how old is the sun?",
         "what is two plus two?", "tell me a joke.", "who wrote this book?", "what time is it?", "where is London?",
         "how do I cook rice?", "what is the meaning of life?", "who is the president?", "tell me a story.",
         "what is a black hole?", "how tall is a tree?", "what should I eat?", "why is the sky blue?", "sing a song.",
         "what is the best film?", "how far is the moon?", "explain quantum physics.", "what is love?"],
    ),
]

GREETINGS = ["", "", "", "Hello! ", "Hi! ", "Hello, ", "Hi, ", "Hey, ", "Please: ", "So, "]


def spell(question: str, greeting: str, upper: bool) -> str:
    """One way to type a question."""
    text = greeting + question
    return text[0].upper() + text[1:] if upper else text
