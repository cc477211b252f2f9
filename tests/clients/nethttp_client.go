// Go's standard client, as it comes.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
)

func main() {
	base := os.Getenv("OPENAI_BASE_URL")
	if base == "" {
		base = "https://api.openai.com/v1"
	}
	asked := fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":%q}]}`, os.Args[1])
	request, _ := http.NewRequest("POST", base+"/chat/completions", strings.NewReader(asked))
	request.Header.Set("content-type", "application/json")
	request.Header.Set("authorization", "Bearer sk-test")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer response.Body.Close()
	var answer struct {
		Choices []struct{ Message struct{ Content string } }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(response.Proto, answer.Choices[0].Message.Content)
}
